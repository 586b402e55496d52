// What a session refused, for those who ask about it later: each refusal is a line of the log that
// an operator can find when somebody asks for his mail, and an entry for qmgr's history. Of a
// client that is refused again and again only the first kRefusalsLogged refusals since the last
// accepted message are lines of the log; the others are counted, and told as a number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/table/listener.h"
#include "common/config/table/origin.h"
#include "common/ipc/filter_messages.h"
#include "common/mail/reply.h"
#include "common/smtp/server/server_engine.h"
#include "smtpd/session/client_identity.h"
#include "smtpd/session/shared.h"
#include "smtpd/session/transaction.h"

namespace postwain::smtpd {

constexpr std::uint32_t kRefusalsLogged = 50;
// Of a message that filters refuse, so many recipients are told to the history.
constexpr std::size_t kRefusedRecipients = 3;

class RefusalLog {
 public:
  // All of these are parts of the one session, whose state they tell; they outlive this.
  RefusalLog(const Shared& shared, const config::Listener& listener, const ClientIdentity& client,
             smtp::ServerEngine& engine, const Transaction& transaction)
      : shared_(shared),
        listener_(listener),
        client_(client),
        engine_(engine),
        transaction_(transaction) {}

  // The session refused. recipient: empty where the refusal is not about one. origin: the line of
  // the configuration that decided, or null.
  void add(std::string_view stage, const mail::Reply& reply, std::string_view recipient,
           std::string_view reason, const config::Origin* origin = nullptr);
  // A filter refused it. recipients: whom it is about, or all of the message; may be empty.
  void add_filtered(std::string_view stage, const mail::Reply& reply,
                    const std::vector<std::string>& recipients, const std::string& filter,
                    const std::vector<ipc::FilterJudgement>& judgements);
  // What the engine has refused by itself since the last call: syntax, order, limits, time-outs.
  void add_own();
  // A login or a TLS handshake failed.
  void add_login_failed(const mail::Reply& reply);
  void add_tls_failed(std::string_view why);
  // A message was accepted, or the session ends: the number of what was not logged, and a new
  // beginning.
  void log_left_out();

 private:
  void add_own(const smtp::OwnRefusal& refusal);
  bool may_log();
  void note(std::string_view stage, const mail::Reply& reply, std::string_view sender,
            std::string_view recipient, std::string_view reason, std::string judgements = {});
  void log(std::string_view stage, const mail::Reply& reply, std::string_view recipient,
           std::string_view reason, const config::Origin* origin);
  std::string sender() const;

  const Shared& shared_;
  const config::Listener& listener_;
  const ClientIdentity& client_;
  smtp::ServerEngine& engine_;
  const Transaction& transaction_;
  std::uint32_t logged_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace postwain::smtpd
