// Which route a recipient takes (configuration [[route]]: first match wins, none is MX). Pure.
//
// The matches are looked up by hash, so the cost depends on the labels of the domain, not on the
// number of routes. No DNS here: smtp-client finds the hosts.
#pragma once

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/config/config.h"
#include "common/mail/address.h"
#include "common/mail/next_hop.h"

namespace postwain::qmgr {

// How a destination is to be treated; the same for all recipients of one destination key.
struct RouteSettings {
  mail::TlsLevel tls = mail::TlsLevel::may;
  std::string credential;
  std::vector<std::string> sources;
  bool store_schedule = false;
  std::uint32_t concurrency = 0;  // 0: default
  std::uint32_t connections = 0;  // of the whole route; 0: no limit
  std::uint32_t number = 0;       // of the route in the file, 0: no route matched
  std::uint32_t rate_count = 0;   // 0: no limit
  Duration rate_period{};
  config::Origin origin;  // line 0: no route matched
};

struct Routed {
  mail::NextHop hop;
  // Name of the destination in scheduler and store: the hop's key, and after a space what makes two
  // routes to the same hop differ ("smtp:relay:587 route=2").
  std::string key;
  const RouteSettings* settings = nullptr;  // lives as long as the router
};

class Router {
 public:
  explicit Router(const config::Config& config);

  Routed route(const mail::Address& recipient) const;

 private:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  struct Target {
    mail::NextHop hop;
    std::string suffix;
    RouteSettings settings;
  };
  std::size_t find(const mail::Address& recipient, const std::string& domain) const;
  void add_match(const std::string& match, std::size_t route);

  std::vector<Target> targets_;
  Target fallback_;
  std::unordered_map<std::string, std::size_t> exact_;     // "example.org", "user@example.org"
  std::unordered_map<std::string, std::size_t> suffixes_;  // "example.org" of ".example.org"
  std::size_t any_ = kNone;
};

}  // namespace postwain::qmgr
