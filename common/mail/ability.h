// What a next hop may be able to do, and what is left out towards it because the operator says so
// (`avoid` of a route) or because it was found not to work there (common/agent/host_memory.h).
// "How we asked" is never a verdict on the mail: what is refused in one way is asked in another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::mail {

enum class Ability : std::uint8_t {
  chunking,        // RFC 3030
  pipelining,      // RFC 2920
  dsn,             // RFC 3461
  eight_bit_mime,  // RFC 6152
  smtputf8,        // RFC 6531
  size,            // RFC 1870: the parameter of MAIL
  tls_session,     // a TLS session that is taken up again (RFC 8446 2.2, RFC 5077)
  tls13,           // RFC 8446
};
constexpr std::size_t kAbilities = 8;

// "chunking", "pipelining", "dsn", "8bitmime", "smtputf8", "size", "tls-session", "tls1.3".
std::string_view name_of(Ability ability);
// One of these names; "tls13" is another one of "tls1.3".
std::optional<Ability> parse_ability(std::string_view name);

class AbilitySet {
 public:
  AbilitySet() = default;
  // Bits that stand for nothing are dropped.
  static AbilitySet from_bits(std::uint16_t bits) {
    return AbilitySet(static_cast<std::uint16_t>(bits & ((1U << kAbilities) - 1)));
  }
  std::uint16_t bits() const { return bits_; }
  bool empty() const { return bits_ == 0; }
  bool has(Ability ability) const { return (bits_ & bit(ability)) != 0; }
  void add(Ability ability) { bits_ = static_cast<std::uint16_t>(bits_ | bit(ability)); }
  void add(AbilitySet others) { bits_ = static_cast<std::uint16_t>(bits_ | others.bits_); }
  void remove(Ability ability) { bits_ = static_cast<std::uint16_t>(bits_ & ~bit(ability)); }
  void remove(AbilitySet others) { bits_ = static_cast<std::uint16_t>(bits_ & ~others.bits_); }
  std::vector<Ability> list() const;
  // Their names, joined with ", ".
  std::string text() const;
  bool operator==(const AbilitySet&) const = default;

 private:
  explicit AbilitySet(std::uint16_t bits) : bits_(bits) {}
  static unsigned bit(Ability ability) { return 1U << static_cast<unsigned>(ability); }
  std::uint16_t bits_ = 0;
};

// What a delivery client has found a host unable to do; it travels with outcomes to whoever shows
// it to the operator.
struct HostLacks {
  std::string host;  // "mx.example.org:25", or the path of a socket
  AbilitySet lacks;
  bool operator==(const HostLacks&) const = default;
};

}  // namespace postwain::mail
