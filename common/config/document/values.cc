#include "common/config/document/values.h"

#include <algorithm>
#include <vector>

#include <arpa/inet.h>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/config.h"
#include "common/mail/idn.h"
#include "common/smtp/syntax/server_limits.h"

namespace postwain::config {

namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

// A decimal number directly followed by one of the units; nothing when the product is too large.
template <std::size_t N>
std::optional<std::int64_t> with_unit(std::string_view text, const Unit (&units)[N]) {
  constexpr std::int64_t kMax = std::int64_t{1} << 53;
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) ++digits;
  auto number = parse_decimal<std::int64_t>(text.substr(0, digits));
  if (!number) return std::nullopt;
  for (const Unit& unit : units) {
    if (text.substr(digits) != unit.name) continue;
    if (*number > kMax / unit.factor) return std::nullopt;
    return *number * unit.factor;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  static constexpr Unit kUnits[] = {
      {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  auto ms = with_unit(text, kUnits);
  if (!ms) return std::nullopt;
  return Duration(*ms);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  static constexpr Unit kUnits[] = {
      {"", 1}, {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
  auto bytes = with_unit(text, kUnits);
  if (!bytes) return std::nullopt;
  return static_cast<std::uint64_t>(*bytes);
}

bool parse_rate(std::string_view text, std::uint32_t& count, Duration& period) {
  static constexpr Unit kPeriods[] = {{"s", 1000},       {"sec", 1000},      {"m", 60'000},
                                      {"min", 60'000},   {"h", 3'600'000},   {"hour", 3'600'000},
                                      {"d", 86'400'000}, {"day", 86'400'000}};
  std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  auto number = parse_decimal<std::uint32_t>(trim(text.substr(0, slash)));
  if (!number || *number == 0) return false;
  for (const Unit& unit : kPeriods) {
    if (trim(text.substr(slash + 1)) != unit.name) continue;
    count = *number;
    period = Duration(unit.factor);
    return true;
  }
  return false;
}

bool parse_fingerprint(std::string_view text, std::string& sha256) {
  constexpr std::size_t kDigits = 64;
  sha256 = to_lower(text);
  std::erase(sha256, ':');
  return sha256.size() == kDigits &&
         sha256.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::string not_a_fingerprint(std::string_view text) {
  return fmt::format("'{}' is not a SHA-256 fingerprint (64 hexadecimal digits)", printable(text));
}

bool is_ip_address(const std::string& text) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, text.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

std::optional<HostPort> parse_ip_port(std::string_view text, std::uint16_t default_port,
                                      std::string& why) {
  HostPort result;
  result.port = default_port;
  std::size_t colon = text.rfind(':');
  bool bracketed = !text.empty() && text.front() == '[';
  std::size_t host_end = bracketed ? text.find(']') : colon;
  if (bracketed && host_end == std::string_view::npos) {
    why = "'[' without ']'";
    return std::nullopt;
  }
  // A bare IPv6 address has colons of its own and therefore no port.
  if (!bracketed && text.find(':') != colon) host_end = std::string_view::npos;
  result.host = std::string(text.substr(bracketed ? 1 : 0, host_end - (bracketed ? 1 : 0)));
  if (host_end == std::string_view::npos) result.host = std::string(text);
  if (!is_ip_address(result.host)) {
    why = fmt::format("'{}' is not an IP address", printable(result.host));
    return std::nullopt;
  }
  std::string_view rest =
      host_end == std::string_view::npos ? "" : text.substr(host_end + (bracketed ? 1 : 0));
  if (rest.empty() && default_port != 0) return result;
  auto port = rest.empty() || rest.front() != ':' ? std::optional<std::uint16_t>()
                                                  : parse_decimal<std::uint16_t>(rest.substr(1));
  if (port && *port != 0) {
    result.port = *port;
    return result;
  }
  bool bare_v6 = !bracketed && result.host.find(':') != std::string::npos;
  why = bare_v6        ? "an IPv6 address with a port is written [address]:port"
        : rest.empty() ? "the port is missing"
                       : fmt::format("'{}' is not a port (1 to 65535)", printable(rest.substr(1)));
  return std::nullopt;
}

bool is_domain(std::string_view text) {
  // A final dot is another way to write the same name (mail::domain_key).
  if (text.size() > 1 && text.back() == '.') text.remove_suffix(1);
  if (text.empty() || text.size() > 255 || !is_valid_utf8(text)) return false;
  for (std::string_view label : split(text, '.')) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-')
      return false;
    for (char c : label)
      // The underscore is no letter of a host name, but mail is sent to such names.
      if (!is_alnum(c) && c != '-' && c != '_' && static_cast<unsigned char>(c) < 128) return false;
  }
  return mail::to_ascii(text).ok();
}

bool is_local_part(std::string_view text) {
  if (text.empty() || text.size() > smtp::kLocalPartMax || !is_valid_utf8(text)) return false;
  if (text.front() == '"') return text.size() >= 2 && text.back() == '"';
  constexpr std::string_view kSpecial = "()<>[]:;@\\,\" ";
  for (char c : text)
    if (static_cast<unsigned char>(c) < 0x21 || c == 0x7F ||
        kSpecial.find(c) != std::string_view::npos)
      return false;
  return true;
}

bool is_mailbox(std::string_view text) {
  std::size_t at = text.rfind('@');
  return at != std::string_view::npos && is_local_part(text.substr(0, at)) &&
         is_domain(text.substr(at + 1));
}

bool is_field_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return c > ' ' && c < '\x7f' && c != ':'; });
}

bool is_one_line_field(std::string_view text) {
  std::size_t colon = text.find(':');
  return colon != std::string_view::npos && is_field_name(text.substr(0, colon)) &&
         !trim(text.substr(colon + 1)).empty() && printable(text) == text;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  constexpr std::size_t kLongest = 64;  // keys are short; the cost grows with the product
  if (a.size() > kLongest || b.size() > kLongest) return std::max(a.size(), b.size());
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

}  // namespace postwain::config
