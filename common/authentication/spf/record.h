// An SPF record (RFC 7208 4.5, 4.6, 12): its terms, checked as a whole before the first of them is
// evaluated (4.6). Pure, and in time proportional to the record's length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/authentication/spf/ip_address.h"
#include "common/base/result.h"

namespace postwain::authentication::spf {

// Octets of a record that we read; a longer one is an error. Records are meant to have 450 (3.4).
constexpr std::size_t kRecordMax = 16U << 10;

enum class Qualifier : std::uint8_t { pass, fail, softfail, neutral };
enum class Mechanism : std::uint8_t { all, include, a, mx, ptr, ip4, ip6, exists };

// One mechanism with its qualifier. The views are into the record that it comes from.
struct Directive {
  std::string_view text{};  // the whole of it, as it stands in the record
  Qualifier qualifier = Qualifier::pass;
  Mechanism mechanism = Mechanism::all;
  std::string_view target{};  // the domain-spec; empty: the domain whose record it is
  IpAddress network{};        // of ip4 and ip6
  unsigned ipv4_bits = 32;    // how much of an address has to be the same
  unsigned ipv6_bits = 128;
};

// Evaluating it asks the DNS, so that it counts among the ten (4.6.4).
bool asks_dns(Mechanism mechanism);

// The text begins with "v=spf1" and either ends there or goes on with a space (4.5).
bool is_record(std::string_view text);

class Record {
 public:
  // text: is_record(). Fails for any mistake in it; the error's text says which one.
  static Result<Record> read(std::string text);

  // The first directive at or behind the position, which moves behind it. Begin with 0. Nothing:
  // there are no more.
  std::optional<Directive> next(std::size_t& position) const;
  // The domain-spec of each; empty where the record has none.
  const std::string& redirect() const { return redirect_; }
  const std::string& explanation() const { return explanation_; }

 private:
  explicit Record(std::string text) : text_(std::move(text)) {}
  Status check();
  Status check_modifier(std::string_view term, std::size_t equals);

  std::string text_;
  std::string redirect_;
  std::string explanation_;
};

}  // namespace postwain::authentication::spf
