// [delivery] and its time-outs: what holds for every next hop.
#pragma once

#include <chrono>
#include <cstdint>

#include "common/base/time.h"

namespace postwain::config {

struct DeliveryTimeouts {
  Duration connect = std::chrono::seconds(30);
  Duration greeting = std::chrono::minutes(5);
  Duration command = std::chrono::minutes(5);
  Duration data = std::chrono::minutes(2);
  Duration block = std::chrono::minutes(3);
  Duration final = std::chrono::minutes(10);
};

struct Delivery {
  std::uint16_t smtp_port = 25;
  bool allow_private_mx = false;
  bool sts = true;               // look at MTA-STS policies
  std::uint16_t sts_port = 443;  // where their hosts answer
  DeliveryTimeouts timeouts;
};

}  // namespace postwain::config
