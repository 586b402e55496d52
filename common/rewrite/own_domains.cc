#include "common/rewrite/own_domains.h"

#include "common/config/config.h"
#include "common/mail/address.h"

namespace postwain::rewrite {

namespace {

// The parents of a domain, the nearest first. An address literal has none.
template <class Visitor>
bool any_parent(std::string_view domain, Visitor&& visit) {
  if (domain.empty() || domain.front() == '[') return false;
  for (std::size_t dot = domain.find('.'); dot != std::string_view::npos;
       dot = domain.find('.', dot + 1))
    if (visit(std::string(domain.substr(dot + 1)))) return true;
  return false;
}

}  // namespace

OwnDomains::OwnDomains(const config::Config& config) {
  for (const config::Domain& domain : config.domains)
    for (const std::string& written : domain.names) {
      bool below = !written.empty() && written.front() == '.';
      std::string key = mail::domain_key(std::string_view(written).substr(below ? 1 : 0));
      (below ? below_ : exact_).insert(key);
      names_.insert(std::move(key));
    }
  for (const std::string& name : config.addresses.alias_domains)
    exact_.insert(mail::domain_key(name));
  exact_.insert(mail::domain_key(config.hostname));
  if (!config.srs.wanted) return;
  exact_.insert(config.srs.domain);
  names_.insert(config.srs.domain);
}

bool OwnDomains::take(std::string_view domain_key) const {
  return exact_.contains(std::string(domain_key)) ||
         any_parent(domain_key, [this](const std::string& one) { return below_.contains(one); });
}

bool OwnDomains::name(std::string_view domain_key) const {
  return names_.contains(std::string(domain_key)) ||
         any_parent(domain_key, [this](const std::string& one) { return names_.contains(one); });
}

}  // namespace postwain::rewrite
