#include "reporter/sending/report_uri.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/base/percent.h"
#include "common/base/text.h"
#include "common/smtp/syntax/address_syntax.h"
#include "common/smtp/syntax/domain_syntax.h"

namespace postwain::reporter {

namespace {

constexpr std::size_t kUriMax = 1000;

// What an address may hold and a URI may not, or not with this meaning (RFC 6068 2).
std::string percent_encoded(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool plain = is_alnum(c) || std::string_view("@.-_+~").find(c) != std::string_view::npos;
    out += plain ? std::string(1, c) : "%" + hex_encode(std::string_view(&c, 1));
  }
  return out;
}

std::optional<ReportUri> mail_place(std::string_view rest) {
  auto address = percent_decoded(rest.substr(0, rest.find('?')));
  if (!address || !is_ascii(*address) || !smtp::parse_mailbox(*address)) return std::nullopt;
  ReportUri out;
  out.address = std::move(*address);
  return out;
}

std::optional<ReportUri> web_place(std::string_view rest) {
  std::size_t slash = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, slash);
  ReportUri out;
  out.kind = ReportUri::Kind::web;
  std::size_t colon = authority.find(':');
  if (colon != std::string_view::npos) {
    auto port = parse_decimal<std::uint16_t>(authority.substr(colon + 1));
    if (!port || *port == 0) return std::nullopt;
    out.port = *port;
    authority = authority.substr(0, colon);
  }
  if (!smtp::is_domain(authority)) return std::nullopt;
  out.host = to_lower(authority);
  std::string_view path = rest.substr(slash);
  path = path.substr(0, path.find('#'));
  bool rooted = !path.empty() && path.front() == '/';
  out.path = fmt::format("{}{}", rooted ? "" : "/", path);
  return out;
}

}  // namespace

std::string ReportUri::text() const {
  if (kind == Kind::mail) return "mailto:" + percent_encoded(address);
  return port == 443 ? fmt::format("https://{}{}", host, path)
                     : fmt::format("https://{}:{}{}", host, port, path);
}

std::optional<ReportUri> parse_place(std::string_view uri) {
  uri = trim(uri);
  if (uri.size() > kUriMax) return std::nullopt;
  for (char c : uri)
    if (static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x7f)
      return std::nullopt;
  std::size_t colon = uri.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view scheme = uri.substr(0, colon);
  std::string_view rest = uri.substr(colon + 1);
  if (iequals(scheme, "mailto")) return mail_place(rest);
  if (iequals(scheme, "https") && rest.substr(0, 2) == "//") return web_place(rest.substr(2));
  return std::nullopt;
}

}  // namespace postwain::reporter
