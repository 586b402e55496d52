// From what an operator asks (`postwain simulate`) and a configuration to a scenario and its mail.
// Pure; the routes are the configuration's own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/config/config_fwd.h"

#include "simulator/scenario.h"

namespace postwain::simulator {

constexpr std::uint32_t kDestinationsMax = 100'000;
constexpr std::uint64_t kRecipientsMax = 20'000'000;  // of all messages together

struct OutageRequest {
  std::string domain;  // "all": every one
  Duration from{};     // since the start
  Duration to{};
};
// "example.org:30m:6h", "all:0:2h"; nothing when it is not one.
std::optional<OutageRequest> parse_outage(std::string_view text);

struct Request {
  std::uint64_t messages = 1000;
  std::uint32_t destinations = 10;        // d1.example, d2.example … behind the named ones
  std::vector<std::string> domains;       // named by the operator, so that routes match
  std::uint32_t recipients = 1;           // of a message
  std::uint32_t mailing = 0;              // recipients of one large message at the start; 0: none
  Duration over = std::chrono::hours(1);  // in which the messages arrive, evenly
  Duration latency = std::chrono::milliseconds(500);
  double defer_share = 0;
  double fail_share = 0;
  double greylist_share = 0;
  std::vector<OutageRequest> outages;
  std::uint64_t seed = 1;
};

struct MailPlan {
  Scenario scenario;
  Source source;
  std::vector<std::string> domains;  // of the destinations, in their order
};
Result<MailPlan> plan_mail(const config::Config& config, const Request& request);

}  // namespace postwain::simulator
