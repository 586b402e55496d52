// Addresses of clients, and fingerprints of their certificates, as tables name them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/config/table/origin.h"

namespace postwain::config {

struct Network {                // "127.0.0.0/8", "::1"
  std::uint8_t bytes[16] = {};  // IPv4 as v4-mapped
  int prefix = 128;             // of the 128 bits
  Origin origin;
};

// True when the address ("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1") lies in the network; false
// for no address.
bool contains(const Network& network, const std::string& address);
std::optional<Network> parse_network(const std::string& text);

// Of a client certificate: 64 lower case hexadecimal digits, SHA-256 of its DER form.
struct Fingerprint {
  std::string sha256;
  Origin origin;
};
bool parse_fingerprint(std::string_view text, std::string& sha256);  // with or without colons

}  // namespace postwain::config
