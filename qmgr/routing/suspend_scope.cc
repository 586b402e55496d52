#include "qmgr/routing/suspend_scope.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/mail/address_pattern.h"
#include "common/smtp/syntax/domain_syntax.h"

#include "qmgr/model/held_domains.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kNamesShown = 10;

bool is_domain_of_mail(std::string_view text) {
  return smtp::is_domain(text) || smtp::is_address_literal(text);
}

std::string list_of(const std::vector<std::string>& names) {
  std::vector<std::string> shown(
      names.begin(),
      names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kNamesShown)));
  std::string text = fmt::format("{}", fmt::join(shown, ", "));
  if (names.size() > kNamesShown) text += fmt::format(" and {} more", names.size() - kNamesShown);
  return text;
}

Error nothing_called(const std::string& text, const std::string& more) {
  return Error{"nothing is called '" + printable(text) + "'" + more, kExitNoInput};
}

}  // namespace

// Destinations of routes to a next hop with this host.
std::vector<std::string> SuspendScopes::at_host(const std::string& host) const {
  std::set<std::string> keys;
  for (std::size_t i = 0; i < config_.routes.size(); ++i)
    for (const mail::HopHost& one : config_.routes[i].deliver.hosts)
      if (!one.host.empty() && iequals(one.host, host)) keys.insert(router_.key_of(i));
  return {keys.begin(), keys.end()};
}

// Destinations of routes to this next hop. Routes that go there in different ways have one each.
std::vector<std::string> SuspendScopes::at_hop(const std::string& text) const {
  std::optional<mail::NextHop> hop = mail::NextHop::parse(text);
  std::string key = hop && !hop->hosts.empty() ? hop->key() : text;
  std::set<std::string> keys;
  for (std::size_t i = 0; i < config_.routes.size(); ++i) {
    const std::string& one = router_.key_of(i);
    if (one == key) return {one};
    if (!one.empty() && one.compare(0, key.size() + 1, key + " ") == 0) keys.insert(one);
  }
  return {keys.begin(), keys.end()};
}

// Whether mail goes there now: by a route, or by MX.
bool SuspendScopes::leads_to(const std::string& key) const {
  if (router_.has_hop(key)) return true;
  constexpr std::string_view kMx = "mx:";
  if (key.compare(0, kMx.size(), kMx) != 0) return false;
  std::string domain = key.substr(kMx.size(), key.find(' ') - kMx.size());
  return router_.route(mail::Address::from_text("postmaster@" + domain), mail::Address()).key ==
         key;
}

Result<SuspendScope> SuspendScopes::find_domain(const std::string& text) const {
  std::string domain = mail::domain_key(text);
  if (!is_domain_of_mail(domain))
    return Error{"'" + printable(text) + "' is not a domain", kExitUsage};
  std::string name = domain_scope(domain);
  return SuspendScope{name, says(name)};
}

Result<SuspendScope> SuspendScopes::find_destination(const std::string& text) const {
  if (leads_to(text) || is_known_(text)) return SuspendScope{text, says(text)};
  std::vector<std::string> keys = at_hop(text);
  if (keys.size() == 1) return SuspendScope{keys.front(), says(keys.front())};
  if (!keys.empty())
    return Error{fmt::format("several routes lead to {}, each in its own way. Type: postwain queue "
                             "suspend '{}'",
                             printable(text), fmt::join(keys, "' or '")),
                 kExitUsage};
  constexpr std::string_view kMx = "mx:";
  std::string domain = text.compare(0, kMx.size(), kMx) == 0 ? text.substr(kMx.size()) : "";
  if (is_domain_of_mail(domain)) {
    std::string key =
        router_.route(mail::Address::from_text("postmaster@" + domain), mail::Address()).key;
    return nothing_called(
        text, fmt::format(": mail for {} goes to {}. For mail to recipients in {} alone type: "
                          "postwain queue suspend {}",
                          domain, key, domain, domain_scope(mail::domain_key(domain))));
  }
  return nothing_called(text,
                        ": no route leads there. postwain queue destinations shows the names");
}

Result<SuspendScope> SuspendScopes::find(const std::string& text) const {
  if (std::string_view domain = domain_of_scope(text); !domain.empty())
    return find_domain(std::string(domain));
  if (text.find(':') != std::string::npos && !smtp::is_address_literal(text))
    return find_destination(text);
  // A name of both kinds: he may mean the next hop, and that is more than a domain.
  if (std::vector<std::string> hops = at_host(text); !hops.empty())
    return Error{fmt::format("'{}' is the host of a next hop. For everything that goes there type: "
                             "postwain queue suspend '{}'; for mail to recipients in that domain "
                             "alone: postwain queue suspend {}",
                             printable(text), fmt::join(hops, "' or '"), domain_scope(text)),
                 kExitUsage};
  if (text.front() == '.' || text == "*" || text.find('@') != std::string::npos)
    return Error{"'" + printable(text) +
                     "' is more or less than one destination: name a domain, or a destination as "
                     "postwain queue destinations shows it. For messages of some other choice "
                     "there is postwain queue hold",
                 kExitUsage};
  // A slip of the pen has no dot; who means such a domain says so.
  std::string domain = mail::domain_key(text);
  bool usual = domain.find('.') != std::string::npos || smtp::is_address_literal(domain);
  if (!usual || !is_domain_of_mail(domain))
    return nothing_called(
        text, is_domain_of_mail(domain)
                  ? fmt::format(". A domain has a dot; if this is one, type: postwain queue "
                                "suspend {}. Otherwise see postwain queue destinations",
                                domain_scope(text))
                  : std::string(": it is neither a domain nor a destination"));
  return find_domain(text);
}

Result<std::string> SuspendScopes::find_among(const std::map<std::string, Suspension>& suspensions,
                                              const std::string& text) const {
  std::string domain(domain_of_scope(text));
  std::string bare = domain.empty() ? text : domain;
  std::string scope = domain_scope(mail::domain_key(bare));
  if (suspensions.count(text) > 0) return text;
  if (suspensions.count(scope) > 0) return scope;
  for (const std::string& one : at_hop(text))
    if (suspensions.count(one) > 0) return one;
  std::vector<std::string> names;
  std::string key = router_.route(mail::Address::from_text("postmaster@" + bare), {}).key;
  for (const auto& [name, one] : suspensions) {
    if (name == "mx:" + mail::domain_key(bare) || name == key)
      return Error{
          fmt::format("{} is not suspended, but {} is, with {}. To end that type: postwain "
                      "queue resume '{}'",
                      printable(text), name, says(name), name),
          kExitNoInput};
    names.push_back(name);
  }
  return Error{
      fmt::format("{} was not suspended; {}", printable(text),
                  names.empty() ? "nothing is" : fmt::format("suspended: {}", list_of(names))),
      kExitNoInput};
}

std::string SuspendScopes::says(const std::string& name) const {
  if (std::string_view domain = domain_of_scope(name); !domain.empty())
    return fmt::format("mail to recipients in {}, whatever its route; all other mail goes on",
                       domain);
  std::vector<std::string> matches;
  for (std::size_t i = 0; i < config_.routes.size(); ++i)
    if (router_.key_of(i) == name)
      for (const std::string& match : config_.routes[i].match) matches.push_back(match);
  if (matches.empty()) return fmt::format("everything that goes to {}", name);
  return fmt::format("everything that goes to {}: match = {}", name, list_of(matches));
}

}  // namespace postwain::qmgr
