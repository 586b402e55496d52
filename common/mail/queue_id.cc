#include "common/mail/queue_id.h"

#include <algorithm>

namespace postwain::mail {

namespace {
constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kDigits = 13;
constexpr std::int64_t kEpochMs = 1577836800000;  // 2020-01-01
constexpr std::uint32_t kCounterMax = 0xFFF;
constexpr std::uint32_t kCounterStep = 0x400;  // between what two clocks count from
}  // namespace

WallTime QueueId::made_at() const {
  return from_unix_ms(static_cast<std::int64_t>(value >> 22) + kEpochMs);
}

std::optional<QueueId> QueueId::next_in(std::uint64_t bags) const {
  constexpr std::uint64_t kCounter = 0xFFF;
  QueueId id = *this;
  while ((id.value & kCounter) != kCounter) {
    ++id.value;
    if (id.is_in(bags)) return id;
  }
  return std::nullopt;
}

std::string QueueId::text() const {
  std::string out(kDigits, '0');
  std::uint64_t rest = value;
  for (std::size_t i = kDigits; i-- > 0; rest >>= 5) out[i] = kAlphabet[rest & 31];
  return out;
}

std::optional<QueueId> QueueId::parse(std::string_view text) {
  if (text.size() != kDigits) return std::nullopt;
  std::uint64_t value = 0;
  for (char c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    std::size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos || value >> 59 != 0) return std::nullopt;
    value = value << 5 | digit;
  }
  if (value >> 63 != 0) return std::nullopt;
  return QueueId{value};
}

QueueId QueueId::first_of(WallTime time) {
  std::int64_t since = to_unix_ms(time) - kEpochMs;
  constexpr std::int64_t kLastMs = static_cast<std::int64_t>(kLast >> 22);
  return QueueId{static_cast<std::uint64_t>(std::clamp<std::int64_t>(since, 0, kLastMs)) << 22};
}

void QueueIdSource::pass(QueueId id, WallTime now) {
  std::uint64_t ms = id.value >> 22;
  if (ms < last_ms_ || id.made_at() > now + kPassMax) return;
  last_ms_ = ms;
  counter_ = kCounterMax;  // the next one is of the next millisecond
}

// One of 64 ids on an average where there is one bag only.
QueueId QueueIdSource::next(WallTime now) {
  QueueId id = step(now);
  while (!id.is_in(bags_)) id = step(now);
  return id;
}

QueueId QueueIdSource::step(WallTime now) {
  std::int64_t since = to_unix_ms(now) - kEpochMs;
  std::uint64_t ms = since > 0 ? static_cast<std::uint64_t>(since) : 0;
  const bool was_ahead = last_ms_ > ms + static_cast<std::uint64_t>(kAheadMost.count());
  if (was_ahead) first_counter_ = (first_counter_ + kCounterStep) & kCounterMax;
  if (ms > last_ms_ || was_ahead) {
    last_ms_ = ms;
    counter_ = first_counter_;
  } else if (++counter_ > kCounterMax) {
    ++last_ms_;
    counter_ = first_counter_;
  }
  return QueueId{(last_ms_ & 0x1FFFFFFFFFFULL) << 22 | static_cast<std::uint64_t>(worker_) << 12 |
                 counter_};
}

}  // namespace postwain::mail
