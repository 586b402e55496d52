#include "common/authentication/spf/directive.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "common/authentication/spf/macro.h"
#include "common/base/text.h"

namespace postwain::authentication::spf {

namespace {

constexpr std::array<std::pair<std::string_view, Mechanism>, 8> kMechanisms = {{
    {"all", Mechanism::all},
    {"include", Mechanism::include},
    {"a", Mechanism::a},
    {"mx", Mechanism::mx},
    {"ptr", Mechanism::ptr},
    {"ip4", Mechanism::ip4},
    {"ip6", Mechanism::ip6},
    {"exists", Mechanism::exists},
}};

constexpr std::size_t kShownMax = 80;  // octets of a term in an error

Error wrong(std::string_view what, std::string_view term) {
  return {std::string(what) + ": " + printable(term, kShownMax)};
}

std::optional<Mechanism> mechanism_of(std::string_view name) {
  for (const auto& [known, mechanism] : kMechanisms)
    if (iequals(name, known)) return mechanism;
  return std::nullopt;
}

std::optional<Qualifier> qualifier_of(char c) {
  switch (c) {
    case '+':
      return Qualifier::pass;
    case '-':
      return Qualifier::fail;
    case '~':
      return Qualifier::softfail;
    case '?':
      return Qualifier::neutral;
    default:
      return std::nullopt;
  }
}

// The digits of a prefix length; leading zeros are not among them (12).
bool read_bits(std::string_view digits, unsigned most, unsigned& bits) {
  if (digits.size() > 1 && digits.front() == '0') return false;
  auto number = parse_decimal<unsigned>(digits);
  if (!number || *number > most) return false;
  bits = *number;
  return true;
}

// The digits that the text ends with, when the separator stands in front of them; both are taken
// off. A domain-spec may have slashes, too, so that only the end tells.
std::string_view take_bits(std::string_view& text, std::string_view separator) {
  std::size_t end = text.size();
  while (end > 0 && is_digit(text[end - 1])) --end;
  std::string_view digits = text.substr(end);
  std::string_view front = text.substr(0, end);
  if (digits.empty() || !front.ends_with(separator)) return {};
  text = front.substr(0, front.size() - separator.size());
  return digits;
}

// Of "a" and "mx": [ ":" domain-spec ] [ "/" bits ] [ "//" bits ], as rest behind the name.
bool read_dual_bits(std::string_view& rest, Directive& out) {
  std::string_view ipv6 = take_bits(rest, "//");
  if (!ipv6.empty() && !read_bits(ipv6, 128, out.ipv6_bits)) return false;
  std::string_view ipv4 = take_bits(rest, "/");
  return ipv4.empty() || read_bits(ipv4, 32, out.ipv4_bits);
}

// Of "ip4" and "ip6": the network and its prefix length.
bool read_network(std::string_view text, Directive& out) {
  bool ipv6 = out.mechanism == Mechanism::ip6;
  std::size_t slash = text.find('/');
  auto network = ipv6 ? IpAddress::parse_ipv6(text.substr(0, slash))
                      : IpAddress::parse_ipv4(text.substr(0, slash));
  if (!network) return false;
  out.network = *network;
  if (slash == std::string_view::npos) return true;
  return read_bits(text.substr(slash + 1), ipv6 ? 128 : 32, ipv6 ? out.ipv6_bits : out.ipv4_bits);
}

// rest: what follows the name of the mechanism, empty or with its ':' in front.
Result<Directive> read_arguments(Directive out, std::string_view rest) {
  bool has_target = !rest.empty();
  if (has_target && rest.front() != ':') return wrong("not understood", out.text);
  std::string_view target = has_target ? rest.substr(1) : rest;
  switch (out.mechanism) {
    case Mechanism::all:
      if (has_target) return wrong("\"all\" takes nothing", out.text);
      return out;
    case Mechanism::ip4:
    case Mechanism::ip6:
      if (!read_network(target, out)) return wrong("no network", out.text);
      return out;
    case Mechanism::include:
    case Mechanism::exists:
      if (!has_target) return wrong("without a domain", out.text);
      break;
    case Mechanism::a:
    case Mechanism::mx:
    case Mechanism::ptr:
      break;
  }
  if (has_target && !is_domain_spec(target)) return wrong("no domain", out.text);
  out.target = target;
  return out;
}

bool takes_dual_bits(Mechanism mechanism) {
  return mechanism == Mechanism::a || mechanism == Mechanism::mx;
}

}  // namespace

std::size_t modifier_equals(std::string_view term) {
  if (term.empty() || !is_alpha(term.front())) return std::string_view::npos;
  std::size_t end = 1;
  while (end < term.size() &&
         (is_alnum(term[end]) || std::string_view("-_.").find(term[end]) != std::string_view::npos))
    ++end;
  return end < term.size() && term[end] == '=' ? end : std::string_view::npos;
}

Result<Directive> read_directive(std::string_view term) {
  Directive out;
  out.text = term;
  if (auto qualifier = qualifier_of(term.empty() ? ' ' : term.front())) {
    out.qualifier = *qualifier;
    term.remove_prefix(1);
  }
  std::size_t name_end = std::min(term.find_first_of(":/"), term.size());
  auto mechanism = mechanism_of(term.substr(0, name_end));
  if (!mechanism) return wrong("no mechanism", out.text);
  out.mechanism = *mechanism;
  std::string_view rest = term.substr(name_end);
  if (takes_dual_bits(out.mechanism) && !read_dual_bits(rest, out))
    return wrong("no prefix length", out.text);
  return read_arguments(out, rest);
}

}  // namespace postwain::authentication::spf
