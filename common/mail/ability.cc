#include "common/mail/ability.h"

#include "common/base/text.h"

namespace postwain::mail {

namespace {

constexpr Ability kAll[kAbilities] = {Ability::chunking,       Ability::pipelining, Ability::dsn,
                                      Ability::eight_bit_mime, Ability::smtputf8,   Ability::size,
                                      Ability::tls_session,    Ability::tls13};

}  // namespace

std::string_view name_of(Ability ability) {
  switch (ability) {
    case Ability::chunking:
      return "chunking";
    case Ability::pipelining:
      return "pipelining";
    case Ability::dsn:
      return "dsn";
    case Ability::eight_bit_mime:
      return "8bitmime";
    case Ability::smtputf8:
      return "smtputf8";
    case Ability::size:
      return "size";
    case Ability::tls_session:
      return "tls-session";
    case Ability::tls13:
      return "tls1.3";
  }
  return "?";
}

std::optional<Ability> parse_ability(std::string_view name) {
  for (Ability ability : kAll)
    if (iequals(name, name_of(ability))) return ability;
  if (iequals(name, "tls13")) return Ability::tls13;
  return std::nullopt;
}

std::vector<Ability> AbilitySet::list() const {
  std::vector<Ability> out;
  for (Ability ability : kAll)
    if (has(ability)) out.push_back(ability);
  return out;
}

std::string AbilitySet::text() const {
  std::string out;
  for (Ability ability : list()) {
    if (!out.empty()) out += ", ";
    out += name_of(ability);
  }
  return out;
}

}  // namespace postwain::mail
