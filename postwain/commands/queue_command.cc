#include "postwain/commands/queue_command.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/config/document/values.h"
#include "common/mail/queue_id.h"
#include "postwain/client/control_client.h"
#include "postwain/client/json_member.h"
#include "postwain/client/operator_request.h"
#include "postwain/client/present.h"
#include "postwain/client/progress.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;
using Command = ipc::OperatorCommand;

// Of numbers that qmgr says.
std::int64_t added(std::int64_t sum, std::int64_t more) {
  std::int64_t out = 0;
  return __builtin_add_overflow(sum, more, &out) ? sum : out;
}

// Collects what several requests (one for each id) have answered.
class Answers {
 public:
  Answers(Command command, const ClientOptions& options, const QueueFilter& filter)
      : command_(command),
        json_(options.json),
        dry_run_(filter.dry_run),
        chooses_(filter.chooses()) {}

  void take(const std::string& text) {
    Json reply = parse_answer(text);
    if (reply.contains("looked_at")) {
      progress_.reach(static_cast<std::uint64_t>(number_member(reply, "looked_at")));
    } else if (reply.contains("error")) {
      error_ = error_member(reply, "refused");
    } else if (reply.contains("waiting_for")) {
      progress_.end();
      fmt::print(stderr, "waiting for the end of attempts that run ({} recipients)\n",
                 number_member(reply, "waiting_for"));
    } else if (reply.contains("matched")) {
      for (auto& [key, sum] : sums_) sum = added(sum, number_member(reply, key.c_str()));
      for (const Json& one : list_member(reply, "not_tried")) {
        std::int64_t& sum = not_tried_[raw_member(one, "why")];
        sum = added(sum, number_member(one, "recipients"));
      }
      acted_ = true;
    } else if (json_ && reply.contains("continued")) {
      // A message with many recipients comes in parts, and is one line nevertheless.
      for (const Json& recipient : list_member(reply, "recipients"))
        message_["recipients"].push_back(recipient);
    } else if (json_ && reply.contains("recipients") && reply["recipients"].is_array()) {
      flush();
      message_ = std::move(reply);
    } else {
      if (reply.contains("size")) {
        ++listed_;
        bytes_ = added(bytes_, std::max<std::int64_t>(0, number_member(reply, "size")));
      }
      show(text);
    }
  }

  std::string take_error() { return std::exchange(error_, {}); }
  bool any() const { return shown_ > 0 || acted_; }

  void close() {
    progress_.end();
    flush();
    if (command_ == Command::queue_list && !json_) print_end_of_list();
    if (!acted_) return;
    if (json_) return print_sums();
    std::int64_t messages = sums_["matched"];
    std::int64_t recipients = sums_["recipients"];
    fmt::print("{} message{} matched ({} recipient{}), ", messages, messages == 1 ? "" : "s",
               recipients, recipients == 1 ? "" : "s");
    if (dry_run_)
      fmt::print("nothing changed (dry run)\n");
    else
      fmt::print("{} changed ({})\n", sums_["changed"], sums_["recipients_changed"]);
    for (const auto& [why, count] : not_tried_)
      fmt::print("  {} recipient{}: {}\n", count, count == 1 ? "" : "s",
                 printable(why, kMemberShown));
  }

 private:
  // The last lines are those that programs know which watch the queues of Sendmail and Postfix
  // (check_mailq); nothing but an empty queue is called one.
  void print_end_of_list() {
    if (shown_ > 0)
      fmt::print("{:>32} {}\n-- {} Kbytes in {} Request{}.\n", "Total Requests:", listed_,
                 (bytes_ + 1023) / 1024, listed_, listed_ == 1 ? "" : "s");
    else
      fmt::print("{}\n", chooses_ ? "No message in the queue matches" : "Mail queue is empty");
  }

  void print_sums() {
    Json sums(sums_);
    if (dry_run_) sums["dry_run"] = true;
    for (const auto& [why, count] : not_tried_)
      sums["not_tried"].push_back({{"recipients", count}, {"why", why}});
    print_json(sums.dump(-1, ' ', false, Json::error_handler_t::replace));
  }

  void show(const std::string& text) {
    ++shown_;
    if (json_)
      print_json(text);
    else
      fmt::print("{}", command_ == Command::queue_list   ? message_line(text, shown_ == 1, colours_)
                       : command_ == Command::queue_show ? message_details(text)
                                                         : value_lines(text));
  }

  void flush() {
    if (message_.is_null()) return;
    ++shown_;
    print_json(std::exchange(message_, {}).dump(-1, ' ', false, Json::error_handler_t::replace));
  }

  const Command command_;
  const bool json_;
  const bool dry_run_;
  const bool chooses_;
  const bool colours_ = wants_colours();
  Progress progress_{"looked at", 0};
  Json message_;
  std::map<std::string, std::int64_t> sums_ = {
      {"matched", 0}, {"changed", 0}, {"recipients", 0}, {"recipients_changed", 0}};
  std::map<std::string, std::int64_t> not_tried_;
  bool acted_ = false;
  std::int64_t listed_ = 0;  // messages
  std::int64_t bytes_ = 0;
  std::size_t shown_ = 0;
  std::string error_;
};

}  // namespace

int check_filter(std::string_view name, bool must_choose, const QueueFilter& filter) {
  if (must_choose && filter.empty())
    return fail(kExitUsage, fmt::format("{} needs an id or a filter (--all for the whole queue; "
                                        "see postwain queue --help)",
                                        name));
  for (auto [option, text] :
       {std::pair("--older", &filter.older), std::pair("--younger", &filter.younger)})
    if (!text->empty() && !config::parse_duration(*text))
      return fail(kExitUsage, std::string(option) + " needs a duration such as 30m, 2h, 3d");
  for (auto [option, text] :
       {std::pair("--larger", &filter.larger), std::pair("--smaller", &filter.smaller)})
    if (!text->empty() && !config::parse_size(*text))
      return fail(kExitUsage, std::string(option) + " needs a size such as 500KiB or 10MiB");
  for (const std::string& id : filter.ids)
    if (!mail::QueueId::parse(id)) return fail(kExitDataError, "'" + id + "' is not a message id");
  return kExitOk;
}

Json filter_json(const QueueFilter& filter, const std::string& id) {
  Json json = Json::object();
  auto put = [&json](const char* key, const std::string& value) {
    if (!value.empty()) json[key] = value;
  };
  if (filter.all) json["all"] = true;
  if (filter.in_doubt) json["in_doubt"] = true;
  put("state", filter.state);
  put("domain", filter.domain);
  put("sender", filter.sender);
  put("recipient", filter.recipient);
  put("older", filter.older);
  put("younger", filter.younger);
  put("account", filter.account);
  put("client", filter.client);
  put("route", filter.route);
  put("class", filter.traffic_class);
  put("reply", filter.reply);
  put("reason", filter.reason);
  if (auto size = config::parse_size(filter.larger)) json["larger"] = *size;
  if (auto size = config::parse_size(filter.smaller)) json["smaller"] = *size;
  if (filter.attempts > 0) json["attempts"] = filter.attempts;
  put("id", id);
  return json;
}

int queue_command(const ClientOptions& options, Command command, const QueueFilter& filter) {
  const ipc::OperatorCommandInfo& info = ipc::info_of(command);
  if (command == Command::queue_show && filter.ids.empty())
    return fail(kExitUsage, "queue show needs the id of a message");
  if (int wrong = check_filter(info.word, info.changes, filter); wrong != kExitOk) return wrong;
  auto config = client_config(options.config_file);
  if (!config) return fail(config.error().code, config.error().text);
  std::vector<std::string> ids = filter.ids;
  if (ids.empty()) ids.emplace_back();
  Answers answers(command, options, filter);
  int exit_code = kExitOk;
  for (const std::string& id : ids) {
    OperatorRequest request(command);
    request.with(ipc::CommandArgument::filter, filter_json(filter, id));
    if (filter.dry_run) request.with(ipc::CommandArgument::dry_run, true);
    auto result =
        ask(*config, request.text(), [&answers](const std::string& json) { answers.take(json); });
    if (!result) return fail(result.error().code, result.error().text);
    if (*result != kExitOk) {
      exit_code = *result;
      std::string error = answers.take_error();
      fail(exit_code, error.empty() ? "qmgr refused the command" : error);
    }
  }
  if (exit_code == kExitOk || answers.any()) answers.close();
  return exit_code;
}

}  // namespace postwain::tool
