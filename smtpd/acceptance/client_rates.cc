#include "smtpd/acceptance/client_rates.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "smtpd/acceptance/client_address.h"
#include "smtpd/acceptance/connection_limits.h"

namespace postwain::smtpd {

namespace {

Rate share(const Rate& rate, std::uint32_t workers) {
  return {rate.count == 0 ? 0 : share_of(rate.count, workers), rate.period};
}

}  // namespace

std::string ipv4_network(const std::string& client, std::uint32_t prefix) {
  in_addr address{};
  if (prefix >= 32 || inet_pton(AF_INET, client.c_str(), &address) != 1) return client;
  std::uint32_t mask = prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix);
  address.s_addr = htonl(ntohl(address.s_addr) & mask);
  char text[INET_ADDRSTRLEN];
  return std::string(inet_ntop(AF_INET, &address, text, sizeof text)) + '/' +
         std::to_string(prefix);
}

ClientRates::ClientRates(const config::Limits& limits, std::uint32_t workers)
    : ipv4_prefix_(limits.client_ipv4_prefix),
      connections_{share(limits.client_connections, workers)},
      messages_{share(limits.client_messages, workers)},
      recipients_{share(limits.client_recipients, workers)} {}

bool ClientRates::take(Counted& counted, const std::string& client, MonoTime now) const {
  if (client.empty() || counted.rate.count == 0) return true;
  std::string network = ipv4_network(client, ipv4_prefix_);
  std::string site = client_site(client);
  Rate of_site{counted.rate.count * kSiteFactor, counted.rate.period};
  if (!counted.table.has(network, 1, counted.rate, now)) return false;
  if (!site.empty() && !counted.table.has(site, 1, of_site, now)) return false;
  counted.table.take(network, 1, counted.rate, now);
  if (!site.empty()) counted.table.take(site, 1, of_site, now);
  return true;
}

std::optional<mail::Reply> ClientRates::connection(const std::string& client, MonoTime now) {
  if (take(connections_, client, now)) return std::nullopt;
  return mail::Reply{421, {4, 7, 0}, "Too many connections from your network, try again later"};
}

std::optional<mail::Reply> ClientRates::message(const std::string& client, MonoTime now) {
  if (take(messages_, client, now)) return std::nullopt;
  return mail::Reply{450, {4, 7, 0}, "Too many messages from your network, try again later"};
}

std::optional<mail::Reply> ClientRates::recipient(const std::string& client, MonoTime now) {
  if (take(recipients_, client, now)) return std::nullopt;
  return mail::Reply{450, {4, 7, 0}, "Too many recipients from your network, try again later"};
}

}  // namespace postwain::smtpd
