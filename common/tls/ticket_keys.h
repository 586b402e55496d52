// Keys of session tickets (RFC 5077, RFC 8446 4.6.1): the same in every process of a server, so
// that a session can be resumed with any of them and after a reload, and forgotten with time, so
// that who steals them cannot read what was said before.
//
// All keys of a period are made from its seed, and the next period's seed from this one's by a hash
// that cannot be turned back. Each process goes this way for itself and needs to be told nothing.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/time.h"

namespace postwain::tls {

constexpr Duration kTicketPeriod = std::chrono::hours(12);

class TicketSeed {
 public:
  static TicketSeed random(WallTime now);
  // What text() gave; an unreadable one is as good as a random one.
  static TicketSeed from_text(std::string_view text, WallTime now);

  // To the period of now. A clock that was set back changes nothing.
  void advance(WallTime now);
  std::int64_t period() const { return period_; }
  const std::string& bytes() const { return bytes_; }
  std::string text() const;  // a secret

 private:
  TicketSeed(std::int64_t period, std::string bytes) : period_(period), bytes_(std::move(bytes)) {}
  std::int64_t period_;
  std::string bytes_;
};

struct TicketKey {
  std::string name;        // 16 octets, in clear in the ticket
  std::string encryption;  // 32 octets
  std::string signature;   // 32 octets
};

// The keys of this period and the one before.
class TicketKeys {
 public:
  explicit TicketKeys(TicketSeed seed);

  const TicketKey& current(WallTime now);
  // Null: not ours, or older than the former period.
  const TicketKey* find(std::string_view name, WallTime now);

 private:
  void turn(WallTime now);
  TicketSeed seed_;
  std::array<TicketKey, 2> keys_;  // this period's, the former one's (empty at first)
};

}  // namespace postwain::tls
