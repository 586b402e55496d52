#include "common/config/config.h"

#include <algorithm>
#include <cstring>

#include <arpa/inet.h>

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::config {

std::string Origin::text() const {
  if (line == 0) return file.empty() ? "default" : file;
  return fmt::format("{}:{}:{}", file, line, column);
}

// Here alone, or every library that has a Config would compile them again.
Config::Config() = default;
Config::~Config() = default;
Config::Config(const Config&) = default;
Config::Config(Config&&) noexcept = default;
Config& Config::operator=(const Config&) = default;
Config& Config::operator=(Config&&) noexcept = default;

bool Config::signs_mail() const {
  return std::any_of(dkim_keys.begin(), dkim_keys.end(),
                     [](const DkimKey& key) { return key.signs; });
}

Origin Config::place_of(std::string_view table, std::string_view key) const {
  auto found = origins.find(fmt::format("{} {}", table, key));
  return found == origins.end() ? Origin{} : found->second;
}

std::string Listener::name() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  if (host.find(':') != std::string::npos) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

std::string_view kind_of(const Listener& listener) {
  return listener.protocol == ListenerProtocol::submission ? "submission" : "world";
}

std::string FilterSocket::text() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  if (host.find(':') != std::string::npos) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

std::string_view name_of(FilterProtocol protocol) {
  constexpr std::string_view kNames[] = {"milter", "policy", "rspamd"};
  return kNames[static_cast<std::size_t>(protocol)];
}

std::string_view name_of(FilterRight right) {
  constexpr std::string_view kNames[kFilterRights] = {"headers", "body",  "recipients", "sender",
                                                      "refuse",  "defer", "discard",    "hold"};
  return kNames[static_cast<std::size_t>(right)];
}

std::string_view name_of(ContentAction action) {
  constexpr std::string_view kNames[kContentActions] = {"refuse",  "defer",    "hold", "discard",
                                                        "prepend", "redirect", "bcc",  "remove",
                                                        "replace", "warn"};
  return kNames[static_cast<std::size_t>(action)];
}

std::string_view name_of(PolicyStage stage) {
  constexpr std::string_view kNames[kPolicyStages] = {"connect", "helo", "mail",
                                                      "rcpt",    "data", "end_of_message"};
  return kNames[static_cast<std::size_t>(stage)];
}

bool is_on(const std::vector<std::string>& on, std::string_view word) {
  return std::find(on.begin(), on.end(), word) != on.end();
}

bool is_on(const std::vector<std::string>& on, const Listener& listener) {
  return is_on(on, kind_of(listener)) || is_on(on, listener.name());
}

namespace {

constexpr std::uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

// An IPv4 address becomes its v4-mapped IPv6 form; bits says how many bits its own family has.
bool address_bytes(const std::string& text, std::uint8_t (&bytes)[16], int& bits) {
  bits = 128;
  if (inet_pton(AF_INET6, text.c_str(), bytes) == 1) return true;
  bits = 32;
  std::memcpy(bytes, kMappedPrefix, sizeof kMappedPrefix);
  return inet_pton(AF_INET, text.c_str(), bytes + sizeof kMappedPrefix) == 1;
}

bool same_prefix(const std::uint8_t* a, const std::uint8_t* b, int bits) {
  int whole = bits / 8;
  if (std::memcmp(a, b, static_cast<std::size_t>(whole)) != 0) return false;
  int rest = bits % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

}  // namespace

std::optional<Network> parse_network(const std::string& text) {
  Network network;
  std::size_t slash = text.find('/');
  int family_bits = 0;
  if (!address_bytes(text.substr(0, slash), network.bytes, family_bits)) return std::nullopt;
  int prefix = family_bits;
  if (slash != std::string::npos) {
    auto number = parse_decimal<int>(std::string_view(text).substr(slash + 1));
    if (!number || *number > family_bits) return std::nullopt;
    prefix = *number;
  }
  network.prefix = prefix + (128 - family_bits);
  return network;
}

bool contains(const Network& network, const std::string& address) {
  std::uint8_t bytes[16];
  int bits = 0;
  // A link-local address may carry its zone ("fe80::1%eth0"); the zone is no part of the number.
  if (!address_bytes(address.substr(0, address.find('%')), bytes, bits)) return false;
  return same_prefix(network.bytes, bytes, network.prefix);
}

}  // namespace postwain::config
