#include "postwain/dkim/published_everywhere.h"

#include <utility>

#include <fmt/format.h>

#include "common/base/text.h"
#include "postwain/dns_check/dns_desk.h"
#include "postwain/dns_check/dns_look.h"
#include "postwain/dns_check/key_findings.h"

namespace postwain::tool {

using authentication::dkim::KeyFit;

namespace {

constexpr Duration kServerAskedAtMost = std::chrono::seconds(20);

void ask_server(const std::vector<std::string>& servers, const std::vector<OwnKey>& keys,
                std::vector<std::string>& lacks) {
  std::string who = servers.empty() ? "the DNS" : servers.front();
  auto desk = DnsDesk::open(servers, false, kServerAskedAtMost);
  if (!desk) {
    lacks.push_back(fmt::format("{}: {}", who, desk.error().text));
    return;
  }
  std::vector<KeyAnswer> asked;
  for (const OwnKey& key : keys) asked.push_back({key, {}});
  ask_for_keys(**desk, asked);
  (*desk)->run();
  for (const KeyAnswer& one : asked) {
    auto fitting = fitting_of_key(one.key, one.answer);
    if (fitting.fit != KeyFit::fits)
      lacks.push_back(
          fmt::format("{}: {}: {}", who, one.key.record_name(), printable(fitting.why)));
  }
}

}  // namespace

std::vector<std::string> not_published(const config::Dns& dns, const std::vector<OwnKey>& keys) {
  std::vector<std::string> lacks;
  if (dns.servers.empty()) ask_server({}, keys, lacks);
  for (const std::string& server : dns.servers) ask_server({server}, keys, lacks);
  return lacks;
}

}  // namespace postwain::tool
