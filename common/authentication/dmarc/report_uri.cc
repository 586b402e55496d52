#include "common/authentication/dmarc/report_uri.h"

#include <limits>
#include <optional>
#include <utility>

#include "common/base/text.h"
#include "common/dns/answer.h"

namespace postwain::authentication {

namespace {

// RFC 3986 appendix A, but for the comma and the exclamation mark, which have to be encoded here.
bool is_report_uri_octet(char c) {
  return is_alnum(c) ||
         (c != '\0' && std::string_view("-._~:/?#[]@$&'()*+;=%").find(c) != std::string_view::npos);
}

// scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ), and its colon; 0: there is none.
std::size_t scheme_size(std::string_view uri) {
  if (uri.empty() || !is_alpha(uri.front())) return 0;
  for (std::size_t i = 1; i < uri.size(); ++i) {
    if (uri[i] == ':') return i + 1;
    if (!is_alnum(uri[i]) && std::string_view("+-.").find(uri[i]) == std::string_view::npos)
      return 0;
  }
  return 0;
}

std::optional<std::string> decoded_report_uri(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
      return std::nullopt;
    out += static_cast<char>(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
    i += 2;
  }
  return out;
}

// What "mailto:" names (RFC 6068), without its parameters: one address that can be written as an
// argument of RCPT without further thought.
std::optional<std::string> report_address(std::string_view text) {
  auto decoded = decoded_report_uri(text.substr(0, text.find('?')));
  if (!decoded) return std::nullopt;
  std::size_t at = decoded->rfind('@');
  if (at == std::string::npos || at == 0 || at > 64) return std::nullopt;
  for (char c : decoded->substr(0, at))
    if (!is_alnum(c) &&
        (c == '\0' || std::string_view("!#$%&'*+-/=?^_`{|}~.").find(c) == std::string_view::npos))
      return std::nullopt;
  if (!dns::is_host_name(std::string_view(*decoded).substr(at + 1))) return std::nullopt;
  return decoded;
}

// 1*DIGIT [ "k" / "m" / "g" / "t" ]; nothing when it is none, or beyond what can be counted.
std::optional<std::uint64_t> report_size(std::string_view text) {
  int shift = 0;
  if (!text.empty()) {
    std::size_t unit = std::string_view("kmgt").find(ascii_lower(text.back()));
    if (unit != std::string_view::npos) {
      shift = 10 * static_cast<int>(unit + 1);
      text.remove_suffix(1);
    }
  }
  auto number = parse_decimal<std::uint64_t>(text);
  if (!number || *number > std::numeric_limits<std::uint64_t>::max() >> shift) return std::nullopt;
  return *number << shift;
}

std::optional<ReportUri> parse_report_uri(std::string_view text) {
  ReportUri out;
  std::size_t mark = text.rfind('!');
  if (mark != std::string_view::npos) {
    auto size = report_size(text.substr(mark + 1));
    if (!size) return std::nullopt;
    out.octets_max = *size;
    text = trim(text.substr(0, mark));
  }
  std::size_t scheme = scheme_size(text);
  if (scheme == 0 || scheme == text.size() || text.size() > kReportUriOctetsMax)
    return std::nullopt;
  for (char c : text)
    if (!is_report_uri_octet(c)) return std::nullopt;
  if (iequals(text.substr(0, scheme), "mailto:")) {
    auto address = report_address(text.substr(scheme));
    if (!address) return std::nullopt;
    out.address = *std::move(address);
  }
  out.uri = std::string(text);
  return out;
}

}  // namespace

std::vector<ReportUri> parse_report_uris(std::string_view list) {
  std::vector<ReportUri> uris;
  while (uris.size() < kReportUrisMax) {
    std::size_t comma = list.find(',');
    if (auto uri = parse_report_uri(trim(list.substr(0, comma)))) uris.push_back(*std::move(uri));
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return uris;
}

}  // namespace postwain::authentication
