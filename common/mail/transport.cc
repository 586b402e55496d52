#include "common/mail/transport.h"

#include <fmt/format.h>

namespace postwain::mail {

namespace {

constexpr Family kFamilies[] = {Family::any, Family::ipv4, Family::ipv6, Family::ipv4_first,
                                Family::ipv6_first};

}  // namespace

std::string_view name_of(Family family) {
  switch (family) {
    case Family::any:
      return "any";
    case Family::ipv4:
      return "ipv4";
    case Family::ipv6:
      return "ipv6";
    case Family::ipv4_first:
      return "ipv4-first";
    case Family::ipv6_first:
      return "ipv6-first";
  }
  return "?";
}

std::optional<Family> parse_family(std::string_view text) {
  for (Family family : kFamilies)
    if (text == name_of(family)) return family;
  return std::nullopt;
}

// None of the parts can hold a line end, but for the certificate, which comes last, and fields,
// whose length is told.
std::string Transport::key() const {
  NextHop beyond{HopKind::smtp, {}, fallback};
  std::string limits =
      fmt::format("{} {} {} {} {} {}", bounds.connections, bounds.in_flight, bounds.rate_count,
                  bounds.rate_period.count(), bounds.route_connections, bounds.route);
  std::string changes =
      fmt::format("{} {} {}", fmt::join(fields.removed, ","), fields.added.size(), fields.added);
  return fmt::format(
      "{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}", hop.key(),
      limits, name_of(tls), require_tls, one_by_one, fmt::join(sources, ","), name_of(family),
      static_cast<int>(credential.kind), credential.user, credential.secret,
      fmt::join(credential.mechanisms, ","), credential.without_tls, avoid.bits(), beyond.key(),
      name_of(fallback_tls), sign, xforward, changes, certificate.chain, certificate.key);
}

}  // namespace postwain::mail
