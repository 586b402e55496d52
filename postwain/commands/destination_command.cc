#include "postwain/commands/destination_command.h"

#include <cstdio>
#include <vector>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/config/document/values.h"
#include "postwain/client/control_client.h"
#include "postwain/client/json_member.h"
#include "postwain/client/operator_request.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& object, const char* key) {
  return raw_member(object, key);
}

// What keeps the destination from being used freely, in words.
std::string state_of(const Json& d) {
  if (std::string until = text_of(d, "suspended_until"); !until.empty()) {
    std::string state = "suspended until " + until;
    if (std::string by = text_of(d, "suspended_by"); !by.empty()) state += " by " + by;
    if (std::string why = text_of(d, "suspended_reason"); !why.empty()) state += ": " + why;
    return state;
  }
  std::string state = text_of(d, "state");
  if (state != "down") return state;
  if (text_of(d, "breaker") != "open") state += " with its MX hosts";
  std::string until = text_of(d, "hold_until");
  state += until.empty() ? std::string(", the next message is to show whether it is back")
                         : " until " + until;
  if (std::string why = text_of(d, "reason"); !why.empty()) state += ": " + why;
  return state;
}

// What was done, by the name that ends it again, and what that stops.
std::string suspension_line(const Json& answer) {
  std::string name = printable(text_of(answer, "destination"));
  std::string scope = printable(text_of(answer, "scope"), kMemberShown);
  std::string until = printable(text_of(answer, "suspended_until"));
  if (until.empty()) return fmt::format("{} is resumed ({})\n", name, scope);
  return fmt::format("{} is suspended until {}: {}\n", name, until, scope);
}

// Only where the route bounds them; else nobody counts. "2 of 3" where this node may have three,
// and other nodes have the rest.
std::string connections_of(const Json& d) {
  auto found = d.find("connections");
  if (found == d.end()) return "-";
  std::string open = std::to_string(number_member(*found, "open"));
  if (found->find("places") == found->end()) return open;
  return fmt::format("{} of {}", open, number_member(*found, "places"));
}

// One line for each host of the destination that was found unable to do something.
std::string learned_lines(const Json& d) {
  std::string out;
  for (const Json& one : list_member(d, "learned")) {
    std::string names;
    for (const std::string& name : texts_member(one, "avoid"))
      names += (names.empty() ? "" : ", ") + name;
    out +=
        fmt::format("  {} is used without {}\n", printable(text_of(one, "host")), printable(names));
  }
  return out;
}

}  // namespace

std::string destination_line(const std::string& reply, bool first) {
  Json d = parse_answer(reply);
  if (d.empty()) return {};
  if (d.contains("not_shown"))
    return fmt::format("({} more are not shown)\n", number_member(d, "not_shown"));
  std::string out;
  if (first)
    out = fmt::format("{:<40} {:>7} {:>7} {:>7} {:>11}  {}\n", "destination", "queued", "active",
                      "window", "connections", "state");
  return out +
         fmt::format("{:<40} {:>7} {:>7} {:>7.1f} {:>11}  {}\n", printable(text_of(d, "route")),
                     number_member(d, "queued"), number_member(d, "active"),
                     real_member(d, "window"), connections_of(d), printable(state_of(d))) +
         learned_lines(d);
}

int destinations_command(const ClientOptions& options) {
  auto config = client_config(options.config_file);
  if (!config) return fail(config.error().code, config.error().text);
  std::size_t shown = 0;
  auto result = ask(*config, OperatorRequest(ipc::OperatorCommand::queue_destinations).text(),
                    [&](const std::string& json) {
                      if (json.empty()) return;
                      if (options.json)
                        print_json(json);
                      else
                        fmt::print("{}", destination_line(json, shown == 0));
                      ++shown;
                    });
  if (!result) return fail(result.error().code, result.error().text);
  if (shown == 0 && !options.json) fmt::print("No destination is known at the moment\n");
  return *result;
}

int suspend_command(const ClientOptions& options, const SuspendOptions& suspend, bool begin) {
  if (!suspend.for_time.empty() && !config::parse_duration(suspend.for_time))
    return fail(kExitUsage, "--for needs a duration such as 30m, 2h, 3d");
  auto config = client_config(options.config_file);
  if (!config) return fail(config.error().code, config.error().text);
  using Argument = ipc::CommandArgument;
  OperatorRequest request(begin ? ipc::OperatorCommand::queue_suspend
                                : ipc::OperatorCommand::queue_resume);
  request.with(Argument::destination, suspend.destination).with(Argument::by, operator_name());
  if (begin) request.with(Argument::reason, suspend.reason);
  if (!suspend.for_time.empty()) request.with(Argument::for_time, suspend.for_time);
  Json answer = Json::object();
  auto result = ask(*config, request.text(), [&answer](const std::string& json) {
    if (!json.empty()) answer = parse_answer(json);
  });
  if (!result) return fail(result.error().code, result.error().text);
  if (*result != kExitOk) return fail(*result, error_member(answer, "qmgr refused the command"));
  if (options.json)
    print_json(answer.dump(-1, ' ', false, Json::error_handler_t::replace));
  else
    fmt::print("{}", suspension_line(answer));
  return kExitOk;
}

}  // namespace postwain::tool
