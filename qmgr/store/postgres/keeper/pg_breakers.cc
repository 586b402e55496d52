#include "qmgr/store/postgres/keeper/pg_breakers.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace postwain::qmgr {

namespace {

constexpr std::int64_t kPage = 1000;
// Longer than a transaction of another keeper takes.
constexpr std::int64_t kOverlapMs = 10'000;
// What a stored breaker can claim of times: a day is more than any hold lasts.
constexpr std::int64_t kTimeMost = 86'400'000;

SharedBreaker breaker_in(PgReader& row) {
  SharedBreaker one;
  one.key = row.text();
  one.opens = static_cast<std::uint32_t>(std::clamp<std::int64_t>(row.number(), 0, UINT32_MAX));
  one.open_for = Duration(std::clamp<std::int64_t>(row.number(), 0, kTimeMost));
  one.hold_for = Duration(std::clamp<std::int64_t>(row.number(), -kTimeMost, kTimeMost));
  one.reason = row.text();
  one.changed = row.number();
  return one;
}

StoreResult<std::vector<SharedBreaker>> breakers_in(const PgResult& result) {
  std::vector<SharedBreaker> found;
  for (int i = 0; i < result.rows(); ++i) {
    PgReader row(result, i);
    found.push_back(breaker_in(row));
    if (!row.done()) return strange_answer();
  }
  return found;
}

PgCommand command_of(const BreakerWrite& one) {
  const SharedBreaker& breaker = one.breaker;
  if (breaker.opens == 0) return {Pg::close_shared_breaker, PgParameters().bytes(breaker.key)};
  return {Pg::put_shared_breaker, PgParameters()
                                      .bytes(breaker.key)
                                      .int8(breaker.opens)
                                      .int8(breaker.open_for.count())
                                      .int8(breaker.hold_for.count())
                                      .bytes(breaker.reason)
                                      .int2(one.opens_it ? 1 : 0)};
}

PgArray array_of_keys(std::span<const std::string> keys) {
  PgArray array(PgArray::Element::bytea);
  for (const std::string& key : keys) array.bytes(key);
  return array;
}

}  // namespace

// In the order of their keys, so that two nodes never wait for each other.
StoreStatus PgBreakers::write(std::span<const BreakerWrite> breakers) {
  std::vector<const BreakerWrite*> ordered;
  for (const BreakerWrite& one : breakers) ordered.push_back(&one);
  std::sort(ordered.begin(), ordered.end(), [](const BreakerWrite* a, const BreakerWrite* b) {
    return a->breaker.key < b->breaker.key;
  });
  PgKeeperSession::Commands commands;
  for (const BreakerWrite* one : ordered) commands.push_back(command_of(*one));
  PgKeeperSession::Results written = session_.write(std::move(commands));
  return written ? StoreStatus() : StoreStatus(written.error());
}

// The time is asked for first: what is written later has a higher number.
StoreResult<BreakerTable::Page> PgBreakers::changes(const BreakerCursor& from) {
  PgKeeperSession::Commands commands;
  commands.push_back({Pg::server_time, {}});
  commands.push_back(
      {Pg::changed_breakers, PgParameters().int8(from.changed).bytes(from.key).int8(kPage)});
  PgKeeperSession::Results results = session_.read(std::move(commands));
  if (!results) return results.error();
  PgReader time((*results)[0], 0);
  const std::int64_t now = time.number();
  auto found = breakers_in((*results)[1]);
  if (!time.done() || !found) return strange_answer();
  Page page;
  page.changed = found.take();
  page.more = page.changed.size() >= static_cast<std::size_t>(kPage);
  page.next = page.more ? BreakerCursor{page.changed.back().changed, page.changed.back().key}
                        : BreakerCursor{std::max(now, kOverlapMs) - kOverlapMs, {}};
  return page;
}

StoreResult<BreakerTable::Trials> PgBreakers::begin_trials(std::span<const Wish> wishes) {
  std::vector<std::string> keys;
  PgArray changed(PgArray::Element::int8);
  for (const Wish& wish : wishes) {
    keys.push_back(wish.key);
    changed.number(wish.changed);
  }
  PgKeeperSession::Commands commands;
  commands.push_back({Pg::begin_trials, PgParameters()
                                            .array(array_of_keys(keys))
                                            .array(std::move(changed))
                                            .int2(session_.node())
                                            .int8(session_.term())});
  commands.push_back({Pg::select_shared_breakers, PgParameters().array(array_of_keys(keys))});
  PgKeeperSession::Results results = session_.write(std::move(commands));
  if (!results) return results.error();
  Trials trials;
  for (int i = 0; i < (*results)[0].rows(); ++i) {
    PgReader row((*results)[0], i);
    trials.granted.push_back(row.text());
    if (!row.done()) return strange_answer();
  }
  auto states = breakers_in((*results)[1]);
  if (!states) return states.error();
  trials.states = states.take();
  return trials;
}

StoreStatus PgBreakers::end_trials(std::span<const std::string> keys) {
  PgKeeperSession::Commands commands;
  commands.push_back(
      {Pg::end_trials,
       PgParameters().array(array_of_keys(keys)).int2(session_.node()).int8(session_.term())});
  PgKeeperSession::Results done = session_.write(std::move(commands));
  return done ? StoreStatus() : StoreStatus(done.error());
}

StoreStatus PgBreakers::forget_old() {
  PgKeeperSession::Commands commands;
  commands.push_back({Pg::forget_old_breakers, {}});
  PgKeeperSession::Results done = session_.write(std::move(commands), PgKeeperSession::Sync::later);
  return done ? StoreStatus() : StoreStatus(done.error());
}

}  // namespace postwain::qmgr
