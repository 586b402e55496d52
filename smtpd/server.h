// The receiving daemon as a whole: listeners, sessions, the link to qmgr, limits, shutdown.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/daemon/accept_trouble.h"
#include "common/daemon/daemon.h"
#include "common/filtering/filter_link.h"
#include "common/net/loop.h"
#include "common/net/stream.h"
#include "common/tls/tls.h"
#include "smtpd/acceptance/client_rates.h"
#include "smtpd/acceptance/connection_limits.h"
#include "smtpd/acceptance/policy.h"
#include "smtpd/proxy_reception.h"
#include "smtpd/queue_link/queue_link.h"
#include "smtpd/session/counters.h"
#include "smtpd/session/session.h"

namespace postwain::smtpd {

class Server {
 public:
  Server(net::Loop& loop, daemon::Start& start);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Opens the certificate and the listeners. The error is for the log and ends the process.
  Status open();
  // Stops listening, gives sessions with a message on its way their reply, the others 421; stops
  // the loop when all are gone, at the latest after kDrainMax.
  void drain();
  // Stops listening and lets every session go on to its own end; another process has taken over.
  // After kRetireMax it drains.
  void retire();

 private:
  Status open_tls();
  Status open_resolver();
  void open_logins();
  Status listen(const config::Listener& listener, int fd);
  void begin_accepting();
  void admit(const config::Listener& listener, net::Stream stream);
  void receive_header(const config::Listener& listener, net::Stream stream);
  void take_proxied();
  void begin_session(const config::Listener& listener, net::Stream stream, const Proxied* proxied);
  void note_turned_away(const config::Listener& listener, const std::string& client,
                        const mail::Reply& reply);
  void turn_away(const config::Listener& listener, net::Stream stream, const mail::Reply& reply);
  void session_over(Session& session);
  void destroy_later();
  void sweep();
  void send_counts();
  void stop_when_idle();

  net::Loop& loop_;
  daemon::Start& start_;
  const config::Config& config_;
  Policy policy_;
  ConnectionLimits limits_;
  std::shared_ptr<tls::Context> tls_;
  std::unique_ptr<filtering::FilterLink> filters_;  // null: there are none
  QueueLink queue_link_;
  std::unique_ptr<dns::Resolver> resolver_;  // null: nothing is asked of the DNS
  std::unique_ptr<LoginBackend> logins_;
  LoginGuard guard_;
  ClientRates rates_;
  HeaderBudget headers_;
  AccountGuard accounts_;
  Counters counters_;
  RefusalBook refusals_;
  MonoTime counts_sent_{};
  Shared shared_;
  std::unordered_map<Session*, std::unique_ptr<Session>> sessions_;
  std::unordered_map<ProxyReception*, std::unique_ptr<ProxyReception>> receptions_;
  std::vector<std::unique_ptr<Session>> ended_;  // over; destroyed at the end of the turn
  struct Bound {
    const config::Listener* listener;
    int fd;
  };
  std::vector<Bound> bound_;  // nothing is accepted there yet
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  net::Timer accept_anyway_;
  daemon::AcceptTrouble accept_trouble_;
  net::Timer sweeper_;
  bool draining_ = false;
  bool retiring_ = false;
  MonoTime drain_until_{};
};

}  // namespace postwain::smtpd
