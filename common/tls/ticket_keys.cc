#include "common/tls/ticket_keys.h"

#include <openssl/crypto.h>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/tls/digest.h"

namespace postwain::tls {

namespace {

constexpr std::size_t kSeedSize = 32;
constexpr std::size_t kNameSize = 16;
// Whoever slept for years need not hash through them one by one: beyond this a seed is as old as
// none.
constexpr std::int64_t kPeriodsMax = 100'000;

std::int64_t period_of(WallTime now) {
  return now.time_since_epoch() / kTicketPeriod;
}

std::string derive(const std::string& seed, std::string_view purpose) {
  return digest().hmac_sha256(seed, purpose);
}

TicketKey key_of(const TicketSeed& seed) {
  TicketKey key;
  key.name = derive(seed.bytes(), "name");
  key.name.resize(kNameSize);
  key.encryption = derive(seed.bytes(), "encryption");
  key.signature = derive(seed.bytes(), "signature");
  return key;
}

void wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

}  // namespace

TicketSeed TicketSeed::random(WallTime now) {
  return {period_of(now), random_octets(kSeedSize)};
}

std::string TicketSeed::text() const {
  return fmt::format("{} {}", period_, base64_encode(bytes_));
}

TicketSeed TicketSeed::from_text(std::string_view text, WallTime now) {
  std::size_t space = std::min(text.find(' '), text.size());
  auto period = parse_decimal<std::int64_t>(text.substr(0, space));
  auto bytes = base64_decode(trim(text.substr(space)));
  TicketSeed seed = random(now);
  if (period && bytes && bytes->size() == kSeedSize) {
    seed.period_ = *period;
    seed.bytes_.swap(*bytes);
  }
  return seed;
}

void TicketSeed::advance(WallTime now) {
  std::int64_t to = period_of(now);
  if (to - period_ > kPeriodsMax) {
    TicketSeed fresh = random(now);
    period_ = fresh.period_;
    bytes_.swap(fresh.bytes_);
  }
  for (; period_ < to; ++period_) {
    std::string next = derive(bytes_, "next");
    wipe(bytes_);
    bytes_ = std::move(next);
  }
}

TicketKeys::TicketKeys(TicketSeed seed) : seed_(std::move(seed)) {
  keys_[0] = key_of(seed_);
}

void TicketKeys::turn(WallTime now) {
  std::int64_t before = seed_.period();
  seed_.advance(now);
  if (seed_.period() == before) return;
  // Over more than one period nobody's ticket of before is good any more.
  TicketKey former;
  if (seed_.period() == before + 1) std::swap(former, keys_[0]);
  for (TicketKey& key : keys_) {
    wipe(key.encryption);
    wipe(key.signature);
  }
  keys_[1] = std::move(former);
  keys_[0] = key_of(seed_);
}

const TicketKey& TicketKeys::current(WallTime now) {
  turn(now);
  return keys_[0];
}

const TicketKey* TicketKeys::find(std::string_view name, WallTime now) {
  turn(now);
  for (const TicketKey& key : keys_)
    if (!key.encryption.empty() && key.name == name) return &key;
  return nullptr;
}

}  // namespace postwain::tls
