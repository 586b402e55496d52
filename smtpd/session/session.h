// One client connection: glue between its channel, the server engine, the policy and the handover
// to qmgr. Decides nothing by itself. Output leaves once per turn of events.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/config/config_fwd.h"
#include "common/config/table/listener.h"
#include "common/config/table/origin.h"
#include "common/daemon/channel.h"
#include "common/dns/client_lookups.h"
#include "common/smtp/server/server_engine.h"
#include "smtpd/acceptance/client_rates.h"
#include "smtpd/acceptance/policy.h"
#include "smtpd/login/account_guard.h"
#include "smtpd/login/login.h"
#include "smtpd/login/login_guard.h"
#include "smtpd/queue_link/handover.h"
#include "smtpd/queue_link/intake.h"
#include "smtpd/session/counters.h"
#include "smtpd/session/header_budget.h"
#include "smtpd/session/header_check.h"
#include "smtpd/session/refusal_book.h"
#include "smtpd/session/session_timeout.h"

namespace postwain::smtpd {

// What all sessions of the process share.
struct Shared {
  net::Loop& loop;
  const config::Config& config;
  const Policy& policy;
  Intake& intake;
  const tls::Context* tls = nullptr;  // null: no certificate
  LoginBackend* logins = nullptr;     // null: nobody can log in
  LoginGuard* guard = nullptr;        // null: no lock-out
  ClientRates* rates = nullptr;       // null: no limits
  dns::Resolver* resolver = nullptr;  // null: nothing is asked of the DNS
  Counters* counters = nullptr;       // null: nobody counts
  HeaderBudget* headers = nullptr;    // null: no bound for all together
  AccountGuard* accounts = nullptr;   // null: guessing at one account is not slowed down
  RefusalBook* refusals = nullptr;    // null: no history hears of them
};

// What a proxy in front of us told of the client.
struct Proxied {
  std::string address;  // plain_address(); empty: the proxy named no client
  std::string rest;     // bytes the client sent behind the header
};

mail::Reply shutting_down();  // 421, to whoever has a session when the process is to end

class Session final : private Handover::Owner {
 public:
  // on_over: the session has ended; it may be destroyed from the end of this turn on.
  Session(const Shared& shared, const config::Listener& listener, net::Stream stream,
          std::function<void(Session&)> on_over);
  // The same behind a proxy. A client it does not name has the proxy's address and no trust.
  Session(const Shared& shared, const config::Listener& listener, net::Stream stream,
          const Proxied* proxied, std::function<void(Session&)> on_over);
  ~Session() override;

  // Bytes that came before the session was there.
  void feed(std::string_view bytes) { channel_->feed(bytes); }
  // Called every second or so: ends the session when the client (or qmgr) was too slow.
  void sweep(MonoTime now);
  // The process is to stop: 421 at once, or after the message that is on its way.
  void drain();
  const std::string& client_key() const { return client_key_; }

 private:
  void received(std::string_view bytes);
  void tls_opened();
  void closed(const std::string& why);
  void pump();
  void flush();
  void adjust_reading();
  void finish(std::string_view why);

  bool handle(smtp::Event& event);  // false: the pump stops
  void on_hello();
  void on_xclient();
  void on_xforward();
  bool refuses_dsn(std::string_view stage, bool asked);
  void on_mail();
  void look_at_hello();
  void decide_mail();
  dns::ClientFacts facts() const;
  void on_rcpt();
  void answer_rcpt(const Verdict& verdict);
  void probed(Verdict verdict, ipc::ProbeVerdict found, const mail::Reply& reply);
  void on_data();
  void on_content();
  void on_content_end();
  void on_starttls();
  void on_auth();
  void look_at_certificate();
  void login_step(const LoginStep& step);
  bool login_waits(const LoginStep& step);
  void login_go_on(const LoginStep& step);
  bool login_is_locked(const LoginStep& step) const;
  void login_locked(std::string account);
  void login_failed(const std::string& who);
  void answer_login_later(const mail::Reply& reply);
  void login_given_up();
  void login_refused_for_now(const std::string& account);
  void drop_transaction();
  std::optional<mail::Reply> check_header(bool ended);
  bool header_has_room();
  void drop_content();
  void mend_header();
  void auth_over(const mail::Reply& reply);
  void know_client();

  void handed_over(const mail::Reply& reply) override;
  void window_opened() override;
  void log_refused(std::string_view stage, const mail::Reply& reply, std::string_view recipient,
                   std::string_view reason, const config::Origin* origin);
  void log_refused(const smtp::OwnRefusal& refusal);
  void log_own_refusals();
  void log_refusals_left_out();
  void log_tls_failed(std::string_view why);
  bool may_log_refusal();
  void note_refusal(std::string_view stage, const mail::Reply& reply, std::string_view sender,
                    std::string_view recipient, std::string_view reason);
  void count(ipc::Counted what, std::uint64_t number = 1);
  void count_replies();
  void log_accepted();

  const Shared& shared_;
  const config::Listener& listener_;
  std::function<void(Session&)> on_over_;
  Client client_;
  std::string client_key_;  // whose connection it is
  std::string rate_key_;    // whose messages they are
  smtp::ServerEngine engine_;
  SessionTimeout timeout_;
  std::unique_ptr<daemon::Channel> channel_;

  std::vector<std::string> certified_;     // whom the client's certificate makes it (EXTERNAL)
  std::unique_ptr<Login> login_;           // while a client logs in
  std::optional<net::Timer> login_delay_;  // while it waits for its answer
  std::string login_asked_about_;          // an answer has left that depends on this account
  bool login_waited_ = false;              // its turn (AccountGuard) has come
  bool login_tells_ = false;               // its step tells something of the password
  LoginGuard::Attempt attempt_;            // what login_ counts as

  smtp::ClientClaim forwarded_;                // XFORWARD
  std::unique_ptr<dns::ClientLookups> looks_;  // null: nothing is asked of the DNS
  bool mail_waits_ = false;                    // for the DNS
  std::uint64_t probe_ = 0;  // the next hop is being asked for a recipient; 0: not

  mail::QueueId id_;
  std::string sender_;
  std::string content_;         // our Received field and what came behind it; shrinks as it streams
  std::size_t trace_size_ = 0;  // of our field
  HeaderCheck header_;
  std::optional<HeaderBudget::Share> header_share_;  // while it has not ended
  std::optional<Handover> handover_;
  bool content_ended_ = false;   // qmgr's word is awaited
  bool in_transaction_ = false;  // id_ and sender_ are those of a transaction

  std::uint32_t refusals_logged_ = 0;    // since the last accepted message
  std::uint64_t refusals_left_out_ = 0;  // not logged since then
  bool heard_ = false;                   // the client has sent something
  bool content_begun_ = false;           // how its first line looks is known
  bool reading_ = true;
  bool pumping_ = false;
  bool half_closed_ = false;  // the client sent its end and waits for our last replies
  bool draining_ = false;
  bool over_ = false;
};

}  // namespace postwain::smtpd
