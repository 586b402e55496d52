#include "postwain/supervisor/duties.h"

#include <algorithm>
#include <tuple>

namespace postwain::tool {

namespace {

// Whom the others need to their end, or who hears of them, goes with qmgr, through which it does.
bool goes_last(Kind kind) {
  return kind == Kind::qmgr || kind == Kind::reporter || kind == Kind::db_link ||
         serves_others(kind);
}

}  // namespace

bool serves_others(Kind kind) {
  return std::find(kServingOthers.begin(), kServingOthers.end(), kind) != kServingOthers.end();
}

bool is_wanted(Kind kind, const config::Config& config) {
  return kind == Kind::filter ? config.filters_mail() : config.signs_mail();
}

bool is_single(Kind kind) {
  return kind == Kind::qmgr || kind == Kind::metrics || kind == Kind::tokens ||
         kind == Kind::pickup || kind == Kind::reporter || kind == Kind::db_link ||
         serves_others(kind);
}

// Mail does not wait for who only watches it, nor for what is seldom needed. It waits for the
// filter process, without which each message meets what on_failure says, and for the signer,
// without which nothing of ours leaves.
bool is_beside_the_way(Kind kind) {
  return kind != Kind::qmgr && !serves_others(kind) && is_single(kind);
}

bool is_worker(Kind kind) {
  return !goes_last(kind);
}

// Until it ends qmgr writes what has happened into the database.
bool needs_link(Kind kind) {
  return kind != Kind::db_link;
}

bool same_link(const config::Config& one, const config::Config& other) {
  auto settings = [](const config::Config& config) {
    const config::QueueDatabase& store = config.queue.store;
    return std::tie(store.address, store.tls, store.roots, store.certificate, store.key,
                    config.dns.servers, config.dns.trust_ad);
  };
  return settings(one) == settings(other);
}

bool runs_commands(const config::Config& config) {
  return std::any_of(config.routes.begin(), config.routes.end(), [](const config::Route& route) {
    return route.credential.kind == mail::Credential::Kind::command;
  });
}

}  // namespace postwain::tool
