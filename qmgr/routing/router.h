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

#include "common/config/config_fwd.h"
#include "common/config/table/network.h"
#include "common/config/table/origin.h"
#include "common/mail/address.h"
#include "common/mail/next_hop.h"
#include "common/mail/transport.h"

namespace postwain::qmgr {

constexpr std::uint32_t kMailboxLeaseRecipients = 20;  // of one lease to a mail store

// How a destination is to be treated; the same for all recipients of one destination key.
struct RouteSettings {
  mail::Transport transport;  // without the domain of routing by MX
  bool hold_in_doubt = false;
  bool mailbox_schedule = false;
  std::uint32_t recipients = 0;  // of one lease at most
  std::uint32_t number = 0;      // of the route in the file, from 1; 0: no route matched
  std::uint32_t rate_count = 0;  // 0: no limit
  Duration rate_period{};
  std::uint32_t drain_count = 0;  // the same after an outage; 0: no limit
  Duration drain_period{};
  config::Origin origin;  // line 0: no route matched
};

struct Routed {
  mail::NextHop hop;
  // Name of the destination in scheduler and store: the hop's key, and after a space the place of
  // the route in the file, from 0, where two routes to the same hop differ ("smtp:relay:587
  // route=2"). It stands in the store, so its counting stays as it is.
  std::string key;
  const RouteSettings* settings = nullptr;  // lives as long as the router
};

class Router {
 public:
  explicit Router(const config::Config& config);

  // sender: the reverse-path. client: the address that the message came from (ipc::Arrival); empty
  // for what was made or submitted on this machine. Some routes ask for them.
  Routed route(const mail::Address& recipient, const mail::Address& sender,
               const std::string& client = {}) const;

  // The destination of a route, by its place in the file; empty where the recipient's domain
  // belongs to it.
  const std::string& key_of(std::size_t route) const { return targets_.at(route).key; }
  bool has_hop(std::string_view key) const;  // of some route, whatever the recipient

 private:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  using Numbers = std::vector<std::size_t>;  // of routes, in the order of the file

  struct Target {
    std::vector<std::string> senders;
    std::vector<config::Network> clients;
    std::string suffix;
    std::string key;  // with the suffix; empty for routing by MX, where the domain belongs to it
    RouteSettings settings;
  };
  // Where a message comes from.
  struct Source {
    const mail::Address& sender;
    const std::string& client;
  };
  std::size_t find(const mail::Address& recipient, const std::string& domain,
                   const Source& source) const;
  std::size_t first_for(const Numbers& numbers, const Source& source) const;
  void add_match(const std::string& match, std::size_t route);

  std::vector<Target> targets_;
  Target fallback_;
  std::unordered_map<std::string, Numbers> exact_;     // "example.org", "user@example.org"
  std::unordered_map<std::string, Numbers> suffixes_;  // "example.org" of ".example.org"
  Numbers any_;
};

}  // namespace postwain::qmgr
