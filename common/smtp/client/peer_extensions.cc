#include "common/smtp/client/peer_extensions.h"

#include <algorithm>

#include "common/base/text.h"

namespace postwain::smtp {

namespace {

// limit = name "=" value; whoever names one we do not know means somebody else.
void take_limit(std::string_view limit, PeerExtensions& out) {
  std::size_t equals = std::min(limit.find('='), limit.size());
  std::string_view name = limit.substr(0, equals);
  auto value = parse_decimal<std::uint32_t>(limit.substr(std::min(equals + 1, limit.size())));
  if (!value) return;
  if (iequals(name, "MAILMAX")) out.mail_max = *value;
  if (iequals(name, "RCPTMAX")) out.rcpt_max = *value;
  if (iequals(name, "RCPTDOMAINMAX")) out.rcpt_domain_max = *value;
}

// ehlo-line = ehlo-keyword *( SP ehlo-param ); the old form "AUTH=PLAIN" is understood as well.
void take_line(std::string_view line, PeerExtensions& out) {
  line = trim(line);
  std::size_t cut = line.find_first_of(" =");
  std::string_view keyword = line.substr(0, cut);
  std::string_view rest = cut == std::string_view::npos ? std::string_view() : line.substr(cut + 1);
  if (iequals(keyword, "PIPELINING")) {
    out.pipelining = true;
  } else if (iequals(keyword, "SIZE")) {
    out.size = true;
    out.size_limit = parse_decimal<std::uint64_t>(trim(rest)).value_or(0);
  } else if (iequals(keyword, "8BITMIME")) {
    out.eight_bit_mime = true;
  } else if (iequals(keyword, "SMTPUTF8")) {
    out.smtputf8 = true;
  } else if (iequals(keyword, "DSN")) {
    out.dsn = true;
  } else if (iequals(keyword, "CHUNKING")) {
    out.chunking = true;
  } else if (iequals(keyword, "BINARYMIME")) {
    out.binary_mime = true;
  } else if (iequals(keyword, "STARTTLS")) {
    out.starttls = true;
  } else if (iequals(keyword, "REQUIRETLS")) {
    out.require_tls = true;
  } else if (iequals(keyword, "XFORWARD")) {
    out.xforward = XforwardOffer::parse(rest);
  } else if (iequals(keyword, "LIMITS")) {
    for (std::string_view limit : split(rest, ' ')) take_limit(limit, out);
  } else if (iequals(keyword, "AUTH")) {
    for (std::string_view mechanism : split(rest, ' '))
      if (!mechanism.empty() && out.mechanisms.size() < kMechanismsMax)
        out.mechanisms.emplace_back(mechanism);
  }
}

}  // namespace

PeerExtensions PeerExtensions::parse(std::string_view text) {
  PeerExtensions out;
  std::size_t end = text.find('\n');
  while (end != std::string_view::npos) {
    text.remove_prefix(end + 1);
    end = text.find('\n');
    take_line(text.substr(0, end), out);
  }
  return out;
}

void PeerExtensions::leave_out(mail::AbilitySet abilities) {
  using mail::Ability;
  if (abilities.has(Ability::chunking)) chunking = binary_mime = false;
  if (abilities.has(Ability::pipelining)) pipelining = false;
  if (abilities.has(Ability::dsn)) dsn = false;
  if (abilities.has(Ability::eight_bit_mime)) eight_bit_mime = binary_mime = false;
  if (abilities.has(Ability::smtputf8)) smtputf8 = false;
  if (abilities.has(Ability::size)) size = false;  // the limit it told still holds
}

}  // namespace postwain::smtp
