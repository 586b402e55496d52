#include "common/mail/next_hop.h"

#include <arpa/inet.h>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postwain::mail {

namespace {

bool is_ip_literal(const std::string& text) {
  unsigned char buffer[16];
  return inet_pton(AF_INET, text.c_str(), buffer) == 1 ||
         inet_pton(AF_INET6, text.c_str(), buffer) == 1;
}

// host[:port] or [address][:port]; what is missing gets default_port (0: a port must be given).
std::optional<HopHost> parse_host(std::string_view text, std::uint16_t default_port,
                                  std::string& why) {
  HopHost hop;
  std::string_view port;
  if (!text.empty() && text.front() == '[') {
    std::size_t close = text.find(']');
    if (close == std::string_view::npos) {
      why = "'[' without ']'";
      return std::nullopt;
    }
    hop.host = std::string(text.substr(1, close - 1));
    hop.literal = true;
    if (!is_ip_literal(hop.host)) {
      why = fmt::format("'{}' is not an IP address", hop.host);
      return std::nullopt;
    }
    text.remove_prefix(close + 1);
    if (!text.empty() && text.front() != ':') {
      why = "expected ':port' after ']'";
      return std::nullopt;
    }
    if (!text.empty())
      port = text.substr(1);
    else
      port = {};
  } else {
    std::size_t colon = text.find(':');
    hop.host = domain_key(text.substr(0, colon));
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
    hop.literal = is_ip_literal(hop.host);
  }
  if (hop.host.empty()) {
    why = "a host name is missing";
    return std::nullopt;
  }
  if (port.empty() && default_port == 0) {
    why = fmt::format("'{}' needs a port", hop.host);
    return std::nullopt;
  }
  auto number = port.empty() ? std::optional<std::uint16_t>(default_port)
                             : parse_decimal<std::uint16_t>(port);
  if (!number || *number == 0) {
    why = fmt::format("'{}' is not a port", port);
    return std::nullopt;
  }
  hop.port = *number;
  return hop;
}

// "host:port/3": what stands behind the slash, and the rest without it.
bool take_weight(std::string_view& text, std::uint16_t& weight, std::string& why) {
  std::size_t slash = text.rfind('/');
  if (slash == std::string_view::npos) return true;
  auto number = parse_decimal<std::uint16_t>(text.substr(slash + 1));
  if (!number || *number == 0 || *number > kHostWeightMax) {
    why = fmt::format("a weight is a number from 1 to {}", kHostWeightMax);
    return false;
  }
  weight = *number;
  text = text.substr(0, slash);
  return true;
}

}  // namespace

std::optional<NextHop> NextHop::parse(std::string_view text, std::string* why_not) {
  std::string why;
  auto fail = [&]() -> std::optional<NextHop> {
    if (why_not != nullptr) *why_not = why;
    return std::nullopt;
  };
  NextHop hop;
  if (text == "mx") return hop;
  if (text == "discard") return NextHop{HopKind::discard, {}, {}};
  std::size_t colon = text.find(':');
  std::string_view scheme = text.substr(0, colon);
  if (scheme != "smtp" && scheme != "smtps" && scheme != "lmtp") {
    why =
        "expected mx, smtp:host:port, smtps:host:port, lmtp:host:port, lmtp:unix:/path or "
        "discard";
    return fail();
  }
  bool implicit_tls = scheme == "smtps";
  hop.kind = scheme == "lmtp" ? HopKind::lmtp : HopKind::smtp;
  std::uint16_t usual_port = hop.kind == HopKind::lmtp ? 0 : implicit_tls ? 465 : 25;
  if (colon == std::string_view::npos) {
    why = fmt::format("'{}:' needs a host", scheme);
    return fail();
  }
  for (std::string_view part : split(text.substr(colon + 1), ',')) {
    part = trim(part);
    if (part.substr(0, 5) == "unix:" && hop.kind == HopKind::lmtp) {
      HopHost host;
      host.unix_path = std::string(part.substr(5));
      if (host.unix_path.empty() || host.unix_path.front() != '/' || host.unix_path.size() > 107) {
        why = "unix: needs an absolute path of at most 107 characters";
        return fail();
      }
      hop.hosts.push_back(std::move(host));
      continue;
    }
    std::uint16_t weight = 0;
    if (!take_weight(part, weight, why)) return fail();
    auto host = parse_host(part, usual_port, why);
    if (!host) return fail();
    host->weight = weight;
    host->implicit_tls = implicit_tls;
    hop.hosts.push_back(*std::move(host));
  }
  for (const HopHost& host : hop.hosts) {
    if ((host.weight > 0) == hop.weighted()) continue;
    why = "either every host has a weight or none";
    return fail();
  }
  return hop;
}

std::string NextHop::key() const {
  if (kind == HopKind::mx) return "mx:" + domain;
  if (kind == HopKind::discard) return "discard";
  std::string out = kind == HopKind::lmtp ? "lmtp:" : implicit_tls() ? "smtps:" : "smtp:";
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    const HopHost& h = hosts[i];
    if (i > 0) out += ',';
    if (!h.unix_path.empty())
      out += "unix:" + h.unix_path;
    else if (h.literal)
      out += fmt::format("[{}]:{}", h.host, h.port);
    else
      out += fmt::format("{}:{}", h.host, h.port);
    if (h.weight > 0) out += fmt::format("/{}", h.weight);
  }
  return out;
}

std::optional<TlsLevel> parse_tls_level(std::string_view text) {
  for (TlsLevel level : {TlsLevel::off, TlsLevel::may, TlsLevel::policy, TlsLevel::encrypt,
                         TlsLevel::verify, TlsLevel::dane})
    if (text == name_of(level)) return level;
  return std::nullopt;
}

std::string_view name_of(TlsLevel level) {
  switch (level) {
    case TlsLevel::off:
      return "off";
    case TlsLevel::may:
      return "may";
    case TlsLevel::policy:
      return "policy";
    case TlsLevel::encrypt:
      return "encrypt";
    case TlsLevel::proven:
      return "proven";
    case TlsLevel::verify:
      return "verify";
    case TlsLevel::dane:
      return "dane";
  }
  return "?";
}

}  // namespace postwain::mail
