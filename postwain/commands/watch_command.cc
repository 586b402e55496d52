#include "postwain/commands/watch_command.h"

#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/mail/queue_id.h"
#include "postwain/client/control_client.h"
#include "postwain/client/json_member.h"
#include "postwain/client/operator_request.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

}  // namespace

std::string event_line(const std::string& json) {
  Json event = parse_answer(json);
  if (event.empty()) return printable(json, kMemberShown) + "\n";
  if (event.contains("dropped"))
    return fmt::format("({} events were too fast for this reader)\n",
                       number_member(event, "dropped"));
  std::string time = text_member(event, "time");
  std::string out = fmt::format("{}  {}  {:<9}  {}", time.size() > 11 ? time.substr(11) : time,
                                text_member(event, "id"), text_member(event, "event"),
                                text_member(event, "recipient"));
  auto add = [&](const char* before, const char* key) {
    if (std::string text = text_member(event, key); !text.empty()) out += before + text;
  };
  if (text_member(event, "event") == "received") {
    std::string sender = text_member(event, "sender");
    out += "  from " + (sender.empty() ? std::string("<>") : sender);
    add(" by ", "client");
  } else {
    add("  ", "host");
    add(": ", "reply");
    add("  ", "why");
    add(" by ", "who");
    add(", next ", "next_attempt_at");
    if (flag_member(event, "in_doubt")) out += "  IN DOUBT";
  }
  return out + "\n";
}

int watch_command(const ClientOptions& options, const WatchOptions& watch) {
  if (!watch.id.empty() && !mail::QueueId::parse(watch.id))
    return fail(kExitDataError, "'" + watch.id + "' is not a message id");
  auto config = client_config(options.config_file);
  if (!config) return fail(config.error().code, config.error().text);
  Json filter = Json::object();
  for (const auto& [key, value] : {std::pair<const char*, const std::string&>{"id", watch.id},
                                   {"domain", watch.domain},
                                   {"recipient", watch.recipient}})
    if (!value.empty()) filter[key] = value;
  OperatorRequest request(ipc::OperatorCommand::watch);
  request.with(ipc::CommandArgument::filter, filter)
      .with(ipc::CommandArgument::query, watch.events);
  std::uint64_t seen = 0;
  std::string error;
  auto result = ask(*config, request.text(),
                    [&](const std::string& json) {
                      Json reply = parse_answer(json);
                      if (reply.contains("error")) {
                        error = error_member(reply, "refused");
                        return;
                      }
                      if (options.json)
                        print_json(json);
                      else
                        fmt::print("{}", event_line(json));
                      std::fflush(stdout);
                      if (++seen == watch.count) std::exit(kExitOk);
                    },
                    {.endless = true});
  if (!result) return fail(result.error().code, result.error().text);
  return *result == kExitOk ? kExitOk : fail(*result, error.empty() ? "refused" : error);
}

}  // namespace postwain::tool
