// `postwain simulate`: what a configuration's schedule, limits and routes would do with some mail,
// played in virtual time by the very code that schedules deliveries. Sends nothing, reads no queue.
#pragma once

#include <string>
#include <vector>

#include "postwain/client/client_options.h"
#include "simulator/mail_plan.h"
#include "simulator/report.h"

namespace postwain::tool {

struct SimulateOptions {
  simulator::Request request;
  std::vector<std::string> outages;  // DEST:FROM:TO
  std::string over = "1h";
  std::string latency = "500ms";
};

int simulate_command(const ClientOptions& options, const SimulateOptions& simulate);

// The report as people read it, and for programs. At most `rows` destinations, the troubled first.
std::string simulation_table(const simulator::Report& report, std::size_t rows);
std::string simulation_json(const simulator::Report& report);

}  // namespace postwain::tool
