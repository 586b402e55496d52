#include "common/base/rate_table.h"

#include <algorithm>

namespace postwain {

namespace {

constexpr Duration kForgetEvery = std::chrono::minutes(1);

// How long it takes to fill so many.
std::chrono::nanoseconds worth(std::uint32_t amount, const Rate& rate) {
  std::chrono::duration<double> period = rate.period;
  return std::chrono::duration_cast<std::chrono::nanoseconds>(period * amount / rate.count);
}

}  // namespace

bool RateTable::has(const std::string& key, std::uint32_t amount, const Rate& rate,
                    MonoTime now) const {
  if (rate.count == 0) return true;
  if (amount > rate.count) return false;
  auto found = full_at_.find(key);
  // A microsecond for what rounding loses.
  return found == full_at_.end() ||
         found->second <= now + worth(rate.count - amount, rate) + std::chrono::microseconds(1);
}

void RateTable::take(const std::string& key, std::uint32_t amount, const Rate& rate, MonoTime now) {
  if (rate.count == 0) return;
  FineTime& full_at = bucket(key, now);
  full_at = std::max(full_at, FineTime(now)) + worth(amount, rate);
}

RateTable::FineTime& RateTable::bucket(const std::string& key, MonoTime now) {
  forget(now);
  if (full_at_.size() >= keys_max_ && !full_at_.contains(key)) make_room();
  return full_at_.try_emplace(key, now).first->second;
}

std::chrono::nanoseconds RateTable::owed(const std::string& key, MonoTime now) const {
  auto found = full_at_.find(key);
  if (found == full_at_.end()) return {};
  return std::max(found->second - FineTime(now), std::chrono::nanoseconds{});
}

void RateTable::set_owed(const std::string& key, std::chrono::nanoseconds owed, MonoTime now) {
  if (owed <= std::chrono::nanoseconds{})
    full_at_.erase(key);
  else
    bucket(key, now) = FineTime(now) + owed;
}

bool RateTable::counts(const std::string& key, MonoTime now) {
  forget(now);
  return full_at_.size() < keys_max_ || full_at_.contains(key);
}

void RateTable::give_back(const std::string& key, std::uint32_t amount, const Rate& rate) {
  auto found = full_at_.find(key);
  if (rate.count != 0 && found != full_at_.end()) found->second -= worth(amount, rate);
}

// The one that owes least among a few, going round: who floods the table with new keys drives out
// his own, and one that owes much stays.
void RateTable::make_room() {
  constexpr std::size_t kLookedAt = 16;
  const std::string* least = nullptr;
  FineTime full_at{};
  std::size_t looked = 0;
  for (std::size_t i = 0; i < full_at_.bucket_count() && looked < kLookedAt; ++i) {
    next_look_ = (next_look_ + 1) % full_at_.bucket_count();
    for (auto at = full_at_.begin(next_look_); at != full_at_.end(next_look_); ++at) {
      ++looked;
      if (least != nullptr && at->second >= full_at) continue;
      least = &at->first;
      full_at = at->second;
    }
  }
  if (least != nullptr) full_at_.erase(std::string(*least));
}

void RateTable::forget(MonoTime now) {
  if (now < next_forget_) return;
  next_forget_ = now + kForgetEvery;
  std::erase_if(full_at_, [now](const auto& entry) { return entry.second <= now; });
}

}  // namespace postwain
