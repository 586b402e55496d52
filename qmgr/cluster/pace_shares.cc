#include "qmgr/cluster/pace_shares.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace postwain::qmgr::cluster {

namespace {

constexpr Duration kLateLeast = std::chrono::milliseconds(100);
constexpr Duration kLateGap = std::chrono::seconds(1);
constexpr Duration kCountedTime = std::chrono::seconds(1);
constexpr Duration kSliceMore = std::chrono::milliseconds(30);

// All nodes may have two slices of the longest span before this one.
Duration most_ahead(const Rate& rate, Duration burst) {
  const Duration gap = time_of(rate, 1);
  return burst + static_cast<int>(kNodes) * std::max(2 * kSliceSpanMax, gap);
}

Duration time_until(BootTime due, BootTime now) {
  return std::max(std::chrono::duration_cast<Duration>(due - now), Duration{});
}

}  // namespace

Duration lateness(const Rate& rate, Duration burst) {
  return std::max(burst + kLateLeast, std::min(time_of(rate, 1), kLateGap));
}

// --- whoever waits ----------------------------------------------------------------------------

PaceShares::Key* PaceShares::find_or_make(const std::string& name, BootTime now) {
  auto found = keys_.find(name);
  if (found != keys_.end()) return &found->second;
  if (keys_.size() >= kPaceKeysMax && now - looked_at_ >= kPaceCrowded) forget_idle(now);
  if (keys_.size() >= kPaceKeysMax) return nullptr;
  return &keys_[name];
}

std::optional<Duration> PaceShares::wait(const std::string& name, const Rate& rate, Duration burst,
                                         BootTime now) {
  Key* key = find_or_make(name, now);
  if (key == nullptr) return kPaceCrowded;
  key->waited_at = now;
  if (key->rate != rate || key->burst != burst) change(*key, rate, burst, now);
  drop_late(*key, now);
  if (is_slow(rate)) return wait_slow(name, *key, now);
  if (key->slices.empty()) {
    want(name, *key);
    return std::nullopt;
  }
  if (is_next_due_soon(*key, now)) want(name, *key);
  return time_until(key->slices.front().at(key->used), now);
}

// What has been taken stays: several may have one key, each with a rate of his own. Not what would
// keep a faster one waiting.
void PaceShares::change(Key& key, const Rate& rate, Duration burst, BootTime now) {
  key.rate = rate;
  key.burst = burst;
  key.free_at.reset();
  if (key.slices.empty()) return;
  if (key.slices.front().at(key.used) <= now + time_of(rate, 1) + kSliceSpanMax) return;
  key.slices.clear();
  key.used = 0;
}

// Only where somebody goes on using steps: else each message would take two.
bool PaceShares::is_next_due_soon(const Key& key, BootTime now) {
  if (key.slices.size() > 1 || time_of(key.rate, 1) >= kSliceAhead) return false;
  if (key.used_since == 0) return false;
  return key.slices.back().first + key.slices.back().span < now + kSliceAhead;
}

std::optional<Duration> PaceShares::wait_slow(const std::string& name, Key& key, BootTime now) {
  if (!key.slices.empty()) return time_until(key.slices.front().at(key.used), now);
  if (!key.asked && key.free_at && *key.free_at > now) return time_until(*key.free_at, now);
  want(name, key);
  return std::nullopt;
}

void PaceShares::take(const std::string& name) {
  auto found = keys_.find(name);
  if (found == keys_.end() || found->second.slices.empty()) return;
  Key& key = found->second;
  ++key.used_since;
  if (++key.used < key.slices.front().steps) return;
  key.slices.pop_front();
  key.used = 0;
}

// Those whose moment is gone for too long, at the front of what there is.
void PaceShares::drop_late(Key& key, BootTime now) {
  const BootTime least = now - lateness(key.rate, key.burst);
  while (!key.slices.empty()) {
    const Slice& slice = key.slices.front();
    key.used = std::max(key.used, slice.steps_before(least));
    if (key.used < slice.steps) return;
    key.slices.pop_front();
    key.used = 0;
  }
}

// --- the table --------------------------------------------------------------------------------

void PaceShares::want(const std::string& name, Key& key) {
  if (key.in_line || key.asked) return;
  key.in_line = true;
  line_.push_back(name);
}

// Twice what it has used since its last wish, seen over a second at least. A little more, so that
// of nodes that all want steps none stays behind for good.
std::uint64_t PaceShares::wanted(const Key& key, Duration longest, BootTime now) {
  if (key.used_since == 0) return 1;
  const auto passed =
      std::max(std::chrono::duration_cast<Duration>(now - key.wished_at), kCountedTime);
  const std::uint64_t more = slice_size(key.rate, UINT32_MAX, kSliceMore);
  return 2 * std::uint64_t{key.used_since} * static_cast<std::uint64_t>(longest.count()) /
             static_cast<std::uint64_t>(passed.count()) +
         (more > 1 ? more : 0);
}

PaceShares::Wish PaceShares::make_wish(const std::string& name, Key& key, Duration longest,
                                       BootTime now) {
  key.in_line = false;
  key.asked = true;
  if (is_slow(key.rate)) {
    key.wished = key.free_at && *key.free_at <= now ? 1 : 0;
  } else {
    key.wished = slice_size(key.rate, wanted(key, longest, now), longest);
  }
  key.used_since = 0;
  key.wished_at = now;
  key.span = key.wished > 0 ? time_of(key.rate, key.wished) : Duration{};
  return {name, key.burst, key.span, most_ahead(key.rate, key.burst)};
}

// The longer the line, the longer it takes until the turn of a key comes again.
std::vector<PaceShares::Wish> PaceShares::ask(BootTime now) {
  PW_CHECK(asked_.empty());
  const auto turns = static_cast<std::int64_t>(line_.size() / kPaceKeysAtOnce);
  const Duration longest = std::min(kSliceSpan * (1 + turns), kSliceSpanMax);
  std::vector<Wish> wishes;
  while (!line_.empty() && wishes.size() < kPaceKeysAtOnce) {
    std::string name = std::move(line_.front());
    line_.pop_front();
    wishes.push_back(make_wish(name, keys_.at(name), longest, now));
    asked_.push_back(std::move(name));
  }
  return wishes;
}

void PaceShares::answered(std::span<const Duration> aheads, BootTime now) {
  PW_CHECK(aheads.size() == asked_.size());
  for (std::size_t i = 0; i < aheads.size(); ++i) {
    auto found = keys_.find(asked_[i]);
    if (found == keys_.end() || !found->second.asked) continue;
    Key& key = found->second;
    key.asked = false;
    // The present of the answer lies between its asking and now: the later one is the safe side.
    const BootTime first = now + std::min(aheads[i], most_ahead(key.rate, key.burst));
    key.free_at.reset();
    if (key.wished == 0)
      key.free_at = first;
    else
      key.slices.push_back({first, key.wished, key.span});
  }
  asked_.clear();
}

void PaceShares::lost() {
  for (auto name = asked_.rbegin(); name != asked_.rend(); ++name) {
    auto found = keys_.find(*name);
    if (found == keys_.end() || !std::exchange(found->second.asked, false)) continue;
    found->second.free_at.reset();
    found->second.in_line = true;
    line_.push_front(*name);
  }
  asked_.clear();
}

void PaceShares::clear() {
  keys_.clear();
  line_.clear();
}

void PaceShares::forget_idle(BootTime now) {
  looked_at_ = now;
  std::erase_if(keys_, [now](const auto& entry) {
    const Key& key = entry.second;
    const bool is_used = key.in_line || key.asked || now - key.waited_at < kPaceIdle;
    return !is_used &&
           (key.slices.empty() || key.slices.back().first + key.slices.back().span < now);
  });
}

}  // namespace postwain::qmgr::cluster
