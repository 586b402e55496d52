// One client connection: glue between its channel, the server engine, the policy, the login and the
// handover to qmgr. Decides nothing by itself. Output leaves once per turn of events. What the
// session waits for, and how that ends, is one object (wait.h).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/config/config_fwd.h"
#include "common/config/table/listener.h"
#include "common/daemon/channel.h"
#include "common/smtp/server/server_engine.h"
#include "smtpd/session/client_identity.h"
#include "smtpd/session/login_dialog.h"
#include "smtpd/session/refusal_log.h"
#include "smtpd/session/shared.h"
#include "smtpd/session/transaction.h"
#include "smtpd/session/wait.h"

namespace postwain::smtpd {

mail::Reply shutting_down();  // 421, to whoever has a session when the process is to end

class Session final : private Handover::Owner,
                      private LoginDialog::Owner,
                      private filtering::SessionFilter::Owner {
 public:
  // on_over: the session has ended; it may be destroyed from the end of this turn on.
  Session(const Shared& shared, const config::Listener& listener, net::Stream stream,
          std::function<void(Session&)> on_over);
  // The same behind a proxy.
  Session(const Shared& shared, const config::Listener& listener, net::Stream stream,
          const Proxied* proxied, std::function<void(Session&)> on_over);
  ~Session() override;

  // Greets the client, or begins TLS where the listener begins with it. Once; on_over may come from
  // inside.
  void start();
  // Bytes that came before the session was there. After start().
  void feed(std::string_view bytes) {
    if (life_ != Life::over) channel_->feed(bytes);
  }
  // Called every second or so: ends the wait whose time is over.
  void sweep(MonoTime now);
  // The process is to stop: 421 at once, or after the reply that the client waits for.
  void drain();
  const std::string& client_key() const { return client_.connection_key(); }

 private:
  // session.cc: bytes, time and the end.
  void received(std::string_view bytes);
  void tls_opened();
  void closed(const std::string& why);
  void pump();
  void flush();
  void adjust_reading();
  void finish(std::string_view why);
  void answer(const mail::Reply& reply, Awaited next = Awaited::command, WaitEnds ends = {});
  void go_on(Awaited next, WaitEnds ends = {});
  void begin_handshake();
  void handshake_failed(std::string_view why);
  void check_certificate();
  void drop_transaction();
  void count_replies();
  MonoTime now() const { return shared_.loop.now(); }

  // session_events.cc: what the engine asks and tells.
  bool handle(smtp::Event& event);  // false: the pump stops
  void with_name(std::function<void()> then);
  void on_connect();
  void on_hello();
  void on_xclient();
  void on_xforward();
  void on_starttls();
  void on_auth();
  void login_answered(const mail::Reply& reply) override;
  void login_delayed() override;
  void logged_in(const std::string& account) override;
  void login_failed(const mail::Reply& reply) override { refusals_.add_login_failed(reply); }
  bool refuses_dsn(std::string_view stage, bool asked);
  void on_mail();
  void decide_mail();
  void on_rcpt();
  void answer_rcpt(const Verdict& verdict);
  void probed(Verdict verdict, ipc::ProbeVerdict found, const mail::Reply& reply);
  ToSign to_sign() const;
  void on_data();
  void on_content_end();
  // session_filter_events.cc: what the filters are told and say.
  using OnFilter = std::function<void(const ipc::FilterAnswer&)>;
  void after_filters(bool awaited, OnFilter then);
  bool is_refused(std::string_view stage, const ipc::FilterAnswer& answer, mail::Reply& reply);
  void answer_filtered(const mail::Reply& reply);
  void tell_client();
  std::string shown_client_name() const;
  void tell_client_names();
  void tell_tls();
  void ask_about_mail(const mail::Reply& accepted);
  void ask_about_rcpt(const Verdict& verdict);
  void judge_content();
  void tell_whole();
  void discard_content(const std::string& filter,
                       const std::vector<ipc::FilterJudgement>& judgements,
                       const mail::Envelope& envelope);
  std::vector<std::string> refused_recipients() const;
  void filter_answered(const ipc::FilterAnswer& answer) override;
  void filter_refused_content(const ipc::FilterAnswer& answer) override;
  void filter_window_opened() override;
  bool filter_body(std::string_view octets) override {
    transaction_.take_new_body(octets);
    return true;
  }
  void filter_concluded(const ipc::FilterResult& result) override;
  void hand_over();

  void handed_over(const mail::Reply& reply) override;
  void window_opened() override;
  void log_accepted();

  const Shared& shared_;
  const config::Listener& listener_;
  std::function<void(Session&)> on_over_;
  ClientIdentity client_;
  smtp::ServerEngine engine_;
  Wait wait_;
  std::unique_ptr<daemon::Channel> channel_;
  LoginDialog login_;
  net::Endpoint local_;            // where the client has connected to
  std::uint16_t client_port_ = 0;  // 0: not known
  Transaction transaction_;
  RefusalLog refusals_;
  filtering::SessionFilter filter_;
  OnFilter on_filter_;  // what follows the answer that is awaited
  struct {
    std::string filter;  // wants this message discarded; empty: none does
    std::vector<ipc::FilterJudgement> judgements;
  } discard_;
  enum class Life : std::uint8_t { serving, draining, over } life_ = Life::serving;
  bool heard_ = false;  // the client has sent something
  bool reading_ = true;
  bool pumping_ = false;
  bool half_closed_ = false;  // the client sent its end and waits for our last replies
};

}  // namespace postwain::smtpd
