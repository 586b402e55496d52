// What an operator's word for a suspension means. Nothing larger than what was said is ever
// suspended: a domain is the mail for that domain; a next hop, with everything that goes there, has
// to be named by its own key. What means something else or nothing is an error that says what to
// type. Pure.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/config_fwd.h"

#include "qmgr/model/message.h"
#include "qmgr/routing/router.h"

namespace postwain::qmgr {

struct SuspendScope {
  std::string name;  // of the suspension: "domain:example.org", or a destination's key
  std::string says;  // what waits because of it: "mail to recipients in example.org"
};

class SuspendScopes {
 public:
  // is_known: whether there is, or lately was, a destination with that key.
  SuspendScopes(const config::Config& config, const Router& router,
                std::function<bool(const std::string&)> is_known)
      : config_(config), router_(router), is_known_(std::move(is_known)) {}

  // The error's text is for the operator; code EX_USAGE, or EX_NOINPUT where nothing is called so.
  Result<SuspendScope> find(const std::string& text) const;
  // Which suspension is to end.
  Result<std::string> find_among(const std::map<std::string, Suspension>& suspensions,
                                 const std::string& text) const;
  std::string says(const std::string& name) const;

 private:
  Result<SuspendScope> find_domain(const std::string& text) const;
  Result<SuspendScope> find_destination(const std::string& text) const;
  std::vector<std::string> at_host(const std::string& host) const;
  std::vector<std::string> at_hop(const std::string& text) const;
  bool leads_to(const std::string& key) const;

  const config::Config& config_;
  const Router& router_;
  std::function<bool(const std::string&)> is_known_;
};

}  // namespace postwain::qmgr
