#include "postwain/queue_command.h"

#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/config/values.h"
#include "common/mail/queue_id.h"
#include "postwain/control_client.h"
#include "postwain/present.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::json;

bool is_question(const std::string& action) {
  return action == "list" || action == "stats";
}

Json filter_json(const QueueFilter& filter, const std::string& id) {
  Json json = Json::object();
  auto put = [&json](const char* key, const std::string& value) {
    if (!value.empty()) json[key] = value;
  };
  if (filter.all) json["all"] = true;
  put("state", filter.state);
  put("domain", filter.domain);
  put("sender", filter.sender);
  put("recipient", filter.recipient);
  put("older", filter.older);
  put("id", id);
  return json;
}

int check_filter(const std::string& action, const QueueFilter& filter) {
  if (action == "show" && filter.ids.empty())
    return fail(kExitUsage, "queue show needs the id of a message");
  // A word forgotten must not hit the whole queue.
  if (!is_question(action) && filter.empty())
    return fail(kExitUsage, "queue " + action +
                                " needs an id or a filter (--all for the whole queue; see postwain "
                                "queue --help)");
  if (!filter.older.empty() && !config::parse_duration(filter.older))
    return fail(kExitUsage, "--older needs a duration such as 30m, 2h, 3d");
  for (const std::string& id : filter.ids)
    if (!mail::QueueId::parse(id)) return fail(kExitDataError, "'" + id + "' is not a message id");
  return kExitOk;
}

// Collects what several requests (one for each id) have answered.
struct Answers {
  const std::string& action;
  bool json;
  std::size_t shown = 0;
  std::int64_t matched = 0;
  std::int64_t changed = 0;
  std::string error;

  void take(const std::string& text) {
    Json reply = Json::parse(text, nullptr, false);
    if (reply.is_object() && reply.contains("error")) {
      error = reply.value("error", "refused");
      return;
    }
    ++shown;
    if (reply.is_object() && reply.contains("matched")) {
      matched += reply.value("matched", std::int64_t{0});
      changed += reply.value("changed", std::int64_t{0});
    } else if (json) {
      fmt::print("{}\n", text);
    } else {
      fmt::print("{}", action == "list"   ? message_line(text, shown == 1)
                       : action == "show" ? message_details(text)
                                          : value_lines(text));
    }
  }

  void close() const {
    if (action == "list" && shown == 0 && !json) fmt::print("Mail queue is empty\n");
    if (is_question(action) || action == "show") return;
    if (json)
      fmt::print("{}\n", Json({{"matched", matched}, {"changed", changed}}).dump());
    else
      fmt::print("{} message{} matched, {} changed\n", matched, matched == 1 ? "" : "s", changed);
  }
};

}  // namespace

int queue_command(const ClientOptions& options, const std::string& action,
                  const QueueFilter& filter) {
  if (int wrong = check_filter(action, filter); wrong != kExitOk) return wrong;
  auto config = client_config(options.config_file);
  if (!config) return fail(config.error().code, config.error().text);
  std::vector<std::string> ids = filter.ids;
  if (ids.empty()) ids.emplace_back();
  Answers answers{.action = action, .json = options.json, .error = {}};
  int exit_code = kExitOk;
  for (const std::string& id : ids) {
    Json request = {{"command", "queue " + action}, {"filter", filter_json(filter, id)}};
    auto result =
        ask(config->qmgr_socket(), request.dump(-1, ' ', false, Json::error_handler_t::replace),
            [&answers](const std::string& json) { answers.take(json); });
    if (!result) return fail(result.error().code, result.error().text);
    if (*result != kExitOk) {
      exit_code = *result;
      fail(exit_code, answers.error.empty() ? "qmgr refused the command" : answers.error);
      answers.error.clear();
    }
  }
  if (exit_code == kExitOk || answers.shown > 0) answers.close();
  return exit_code;
}

}  // namespace postwain::tool
