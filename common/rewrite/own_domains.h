// Which domains are ours, as the configuration says: those of [[domain]], and that of [srs]. Pure.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>

#include "common/config/config_fwd.h"

namespace postwain::rewrite {

class OwnDomains {
 public:
  explicit OwnDomains(const config::Config& config);

  // Whether mail for the domain is taken here, or it is a name of this machine: a [[domain]]
  // (".example.org": those below it), one of alias_domains, the hostname, or that of [srs].
  bool take(std::string_view domain_key) const;
  // Whether it is a [[domain]] or that of [srs], or lies below one: nobody else writes in its name.
  bool name(std::string_view domain_key) const;

 private:
  std::unordered_set<std::string> exact_;  // of take()
  std::unordered_set<std::string> below_;  // "example.org" of ".example.org"
  std::unordered_set<std::string> names_;  // of name()
};

}  // namespace postwain::rewrite
