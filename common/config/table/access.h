// [access]: who is trusted, and what strangers are asked for.
#pragma once

#include <cstdint>
#include <vector>

#include "common/config/table/network.h"

namespace postwain::config {

// What is asked of strangers besides a recipient of ours.
enum class ReverseDns : std::uint8_t { off, look, require };
enum class HelloCheck : std::uint8_t { any, syntax, qualified, resolves };
enum class SenderCheck : std::uint8_t { any, exists };
// Who may ask for delivery reports (RFC 3461): everybody, or whoever may relay.
enum class DsnFor : std::uint8_t { all, known };

struct Access {
  std::vector<Network> trusted_networks;
  std::vector<Fingerprint> trusted_certificates;
  std::vector<Network> xclient_from;
  std::vector<Network> xforward_from;
  ReverseDns reverse_dns = ReverseDns::off;  // at least look where a rule has client_names
  Origin reverse_dns_origin;
  HelloCheck hello = HelloCheck::syntax;
  Origin hello_origin;
  SenderCheck sender_domain = SenderCheck::any;
  Origin sender_domain_origin;
  DsnFor dsn = DsnFor::all;
  // Known clients may leave brackets and domains of addresses away.
  bool bare_addresses = false;
};

}  // namespace postwain::config
