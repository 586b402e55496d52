// What all sessions of the process share.
#pragma once

#include "common/config/config_fwd.h"
#include "common/dns/resolver.h"
#include "common/filtering/filter_link.h"
#include "common/net/loop.h"
#include "common/tls/tls.h"
#include "smtpd/acceptance/client_rates.h"
#include "smtpd/acceptance/policy.h"
#include "smtpd/login/account_guard.h"
#include "smtpd/login/login.h"
#include "smtpd/login/login_guard.h"
#include "smtpd/queue_link/queue_link.h"
#include "smtpd/session/counters.h"
#include "smtpd/session/header_budget.h"
#include "smtpd/session/refusal_book.h"

namespace postwain::smtpd {

// All of it outlives the sessions.
struct Shared {
  net::Loop& loop;
  const config::Config& config;
  const Policy& policy;
  QueueLink& queue_link;
  const tls::Context* tls = nullptr;         // null: no certificate
  LoginBackend* logins = nullptr;            // null: nobody can log in
  LoginGuard* guard = nullptr;               // null: no lock-out
  ClientRates* rates = nullptr;              // null: no limits
  dns::Resolver* resolver = nullptr;         // null: nothing is asked of the DNS
  Counters* counters = nullptr;              // null: nobody counts
  HeaderBudget* headers = nullptr;           // null: no bound for all together
  AccountGuard* accounts = nullptr;          // null: guessing at one account is not slowed down
  RefusalBook* refusals = nullptr;           // null: no history hears of them
  filtering::FilterLink* filters = nullptr;  // null: there are none

  void count(ipc::Counted what, std::uint64_t number = 1) const {
    if (counters != nullptr) counters->add(what, number);
  }
};

}  // namespace postwain::smtpd
