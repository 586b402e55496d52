// The foreground process of `postwain run`: keeps the others running, replaces them at a reload,
// lets them finish at the end. It parses nothing that comes from the network and touches no mail.
//
// Order at the end: smtpd and the delivery clients first, because they still have outcomes and
// submissions for qmgr; then qmgr.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "common/config/load/bundle.h"
#include "common/net/loop.h"
#include "common/tls/ticket_keys.h"
#include "postwain/process/identity.h"
#include "postwain/supervisor/certificate_watch.h"
#include "postwain/supervisor/children.h"
#include "postwain/supervisor/listener_set.h"
#include "postwain/supervisor/name_server_watch.h"
#include "postwain/supervisor/service_manager.h"
#include "postwain/supervisor/troubles.h"

namespace postwain::tool {

class Supervisor {
 public:
  struct Setup {
    config::Loaded loaded;  // without diagnostics
    Identities identities;
    ListenerSet listeners;
    std::string program_folder;  // where the other binaries are
    // bind_database_sockets(), of the hosts of [queue] store; db-link has them.
    std::vector<UniqueFd> database_sockets{};
    std::string login_secret{};  // kept_login_secret(); empty: each smtpd has one of its own
  };

  // on_change: the processes are not the same any more (processes()). on_end: all are gone.
  Supervisor(net::Loop& loop, Setup setup, std::function<void()> on_change,
             std::function<void()> on_end);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;
  ~Supervisor();

  void start();
  void drain();
  void reap();  // after SIGCHLD
  // qmgr has the new configuration (or takes it at its next start): everyone else is replaced.
  void replace(config::Loaded loaded);
  // Listeners the present configuration lacks are bound; on failure nothing has changed.
  Status bind_new(const config::Config& config);
  void forget_new();  // closes what bind_new() bound, the reload having failed

  std::vector<ProcessInfo> processes() const;
  std::vector<CertificateState> certificates() const { return certificate_states(setup_.loaded); }
  const std::string& certificate_trouble() const { return certificates_.trouble(); }
  std::vector<std::string> troubles() const { return troubles_.texts(); }  // with processes
  bool draining() const { return phase_ != Phase::running; }
  bool qmgr_ready() const { return children_.is_ready(Kind::qmgr); }
  bool workers_gone() const { return phase_ > Phase::stopping_workers; }
  int exit_code() const { return exit_code_; }
  const config::Loaded& loaded() const { return setup_.loaded; }
  // A reload begins, and ends whatever came of it.
  void reload_began() { manager_.reloading(); }
  void reload_ended();

 private:
  enum class Phase { running, stopping_workers, stopping_qmgr, stopping_link, ended };

  void add(Kind kind, std::uint32_t count);
  void add_metrics();
  void add_database_link();
  void replace_database_link(const config::Config& before);
  void add_filter();
  void add_signer();
  void add_tokens();
  void add_reporter();
  void add_pickup();
  Child::LaunchSpec launch_spec(Kind kind);
  std::vector<int> listeners_for(Kind kind) const;
  void became_ready(const Child& child);
  void look_whether_ready();
  std::string listener_names() const;
  void child_died(Child& child, int status);
  void note_crash_at_end(const Child& child);
  void leave(int exit_code, const std::string& why);
  void go_on_draining();
  void look_at_certificates();
  void leave_client_facts();
  bool refresh_troubles();  // true: they have changed
  void warn_of_ends(WallTime now);
  void look_at_name_servers();
  void warn_of_no_name_server() const;

  net::Loop& loop_;
  Setup setup_;
  std::string metrics_at_;  // where the metrics process that runs listens; empty: none does
  std::function<void()> on_change_;
  std::function<void()> on_end_;
  Children children_;
  net::Timer kill_timer_;
  net::Timer certificate_timer_;
  CertificateWatch certificates_;
  Troubles troubles_;
  std::string logged_trouble_;  // with the certificates' files, as it was logged last
  WallTime warned_of_ends_{};   // when certificates that end soon were looked for last
  NameServerWatch name_servers_;
  tls::TicketSeed tickets_;
  ServiceManager manager_;
  Phase phase_ = Phase::running;
  bool ready_logged_ = false;
  int exit_code_ = 0;
};

}  // namespace postwain::tool
