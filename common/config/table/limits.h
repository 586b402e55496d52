// [limits]: what one client, session or message may take.
#pragma once

#include <chrono>
#include <cstdint>

#include "common/base/rate_table.h"
#include "common/base/time.h"

namespace postwain::config {

struct Limits {
  std::uint64_t message_size = 50ULL << 20;
  std::uint32_t recipients = 1000;
  std::uint32_t connections = 2000;
  std::uint32_t connections_per_ip = 50;
  Duration command_timeout = std::chrono::minutes(5);
  Duration data_timeout = std::chrono::minutes(3);
  std::uint32_t errors = 20;
  // Beyond so many Received fields, or so many of our own, a message is in a loop.
  std::uint32_t hops = 50;
  std::uint32_t own_hops = 5;
  // Of one client network (client_key in smtpd), but for trusted ones and accounts.
  std::uint32_t client_ipv4_prefix = 32;  // an IPv6 client is always its /64
  Rate client_connections;
  Rate client_messages;
  Rate client_recipients;
};

}  // namespace postwain::config
