#include "qmgr/store/postgres/keeper/pg_paces.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "common/base/check.h"

namespace postwain::qmgr {

namespace {

// Longer than any wish of ours, and than all nodes together are ahead. A row that says more says
// nothing.
constexpr Duration kPaceAheadMax = std::chrono::hours(24 * 40);
// A row whose moment is so long ago says the same as none.
constexpr Duration kPacePast = std::chrono::hours(24);
constexpr std::int64_t kSweptRows = 1000;  // looked at by one call

std::int64_t within_bounds(Duration time, Duration least) {
  return std::clamp(time, least, kPaceAheadMax).count();
}

PgArray pace_keys_of(std::span<const PaceTable::Wish> wishes) {
  PgArray keys(PgArray::Element::bytea);
  for (const PaceTable::Wish& one : wishes) keys.bytes(one.key);
  return keys;
}

PgParameters pace_values_of(std::span<const PaceTable::Wish> wishes) {
  PgArray burst(PgArray::Element::int8);
  PgArray span(PgArray::Element::int8);
  PgArray most(PgArray::Element::int8);
  for (const PaceTable::Wish& one : wishes) {
    burst.number(within_bounds(one.burst, Duration{}));
    span.number(within_bounds(one.span, -kPaceAheadMax));
    most.number(within_bounds(one.most, Duration{}));
  }
  PgParameters values;
  values.array(pace_keys_of(wishes)).array(std::move(burst)).array(std::move(span));
  values.array(std::move(most));
  return values;
}

StoreResult<std::map<std::string, Duration, std::less<>>> moments_in(const PgResult& result) {
  std::map<std::string, Duration, std::less<>> found;
  for (int i = 0; i < result.rows(); ++i) {
    PgReader row(result, i);
    std::string key = row.text();
    const Duration ahead(row.number());
    if (!row.done()) return strange_answer();
    found.emplace(std::move(key), ahead);
  }
  return found;
}

}  // namespace

// All rows are locked in the order of their keys before the first one moves, so that nodes with the
// same keys wait for each other, and never in a circle.
StoreResult<std::vector<Duration>> PgPaces::take(std::span<const Wish> wishes) {
  PW_CHECK(wishes.size() <= kPaceWishesMax);
  PgKeeperSession::Commands commands;
  commands.push_back({Pg::lock_paces, PgParameters().array(pace_keys_of(wishes))});
  commands.push_back({Pg::move_paces, pace_values_of(wishes)});
  PgKeeperSession::Results results = session_.write(std::move(commands));
  if (!results) return results.error();
  auto found = moments_in((*results)[1]);
  if (!found) return found.error();
  std::vector<Duration> aheads;
  for (const Wish& one : wishes) {
    auto ahead = found->find(one.key);
    if (ahead == found->end()) return strange_answer();
    const Duration burst = std::max(one.burst, Duration{});
    aheads.push_back(std::clamp(ahead->second, -burst, std::max(one.most, Duration{})));
  }
  return aheads;
}

StoreStatus PgPaces::sweep() {
  PgKeeperSession::Commands commands;
  commands.push_back({Pg::page_of_paces, PgParameters()
                                             .bytes(swept_up_to_)
                                             .int8(kSweptRows)
                                             .int8(kPacePast.count())
                                             .int8(kPaceAheadMax.count())});
  PgKeeperSession::Results page = session_.read(std::move(commands));
  if (!page) return page.error();
  PgArray keys(PgArray::Element::bytea);
  PgArray same(PgArray::Element::bytea);
  std::string last;
  for (int i = 0; i < page->front().rows(); ++i) {
    PgReader row(page->front(), i);
    last = row.text();
    const bool is_void = row.flag();
    if (!row.done()) return strange_answer();
    if (!is_void || keys.size() >= kPaceWishesMax) continue;
    keys.bytes(last);
    same.bytes(last);
  }
  swept_up_to_ = page->front().rows() < kSweptRows ? std::string() : last;
  if (keys.size() == 0) return {};
  commands.clear();
  commands.push_back({Pg::lock_paces, PgParameters().array(std::move(keys))});
  commands.push_back(
      {Pg::clean_paces,
       PgParameters().array(std::move(same)).int8(kPacePast.count()).int8(kPaceAheadMax.count())});
  PgKeeperSession::Results results = session_.write(std::move(commands));
  return results ? StoreStatus() : StoreStatus(results.error());
}

}  // namespace postwain::qmgr
