#include "qmgr/control/json/command_json.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/base/text.h"

namespace postwain::qmgr {

namespace {

using ReadJson = nlohmann::json;  // read only: members are found quickly among any number
using Argument = ipc::CommandArgument;

std::string text_of(const ReadJson& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<std::uint64_t> number_of(const ReadJson& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

bool flag_of(const ReadJson& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

// The array of that name, or an empty one.
ReadJson list_of(const ReadJson& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : ReadJson::array();
}

Result<ListFilter> parse_filter(const ReadJson& object) {
  ListFilter filter;
  filter.domain = text_of(object, "domain");
  filter.sender = text_of(object, "sender");
  filter.recipient = text_of(object, "recipient");
  filter.in_doubt = flag_of(object, "in_doubt");
  filter.account = text_of(object, "account");
  filter.client = text_of(object, "client");
  filter.route = text_of(object, "route");
  filter.reply = text_of(object, "reply");
  filter.reason = text_of(object, "reason");
  filter.larger = number_of(object, "larger");
  filter.smaller = number_of(object, "smaller");
  filter.attempts_min = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(number_of(object, "attempts").value_or(0), 1'000'000));
  if (std::string name = text_of(object, "class"); !name.empty()) {
    filter.traffic_class = parse_traffic_class(name);
    if (!filter.traffic_class)
      return Error{"'" + name + "' is not a class (interactive, bulk, bounce)", kExitUsage};
  }
  if (std::string id = text_of(object, "id"); !id.empty()) {
    filter.id = mail::QueueId::parse(id);
    if (!filter.id) return Error{"'" + id + "' is not a queue id", kExitUsage};
  }
  if (std::string state = text_of(object, "state"); !state.empty()) {
    filter.state = parse_shown_state(state);
    if (!filter.state)
      return Error{"'" + state + "' is not a state (queued, deferred, held, active)", kExitUsage};
  }
  for (auto [key, out] : {std::pair("older", &filter.older), std::pair("younger", &filter.younger)})
    if (std::string time = text_of(object, key); !time.empty()) {
      *out = parse_duration(time);
      if (!*out) return Error{"'" + time + "' is not a duration (90s, 2h, 3d)", kExitUsage};
    }
  return filter;
}

Certificates parse_certificates(const ReadJson& request) {
  Certificates out;
  out.trouble = text_of(request, name_of(Argument::certificate_trouble));
  for (const ReadJson& one : list_of(request, name_of(Argument::certificates))) {
    if (!one.is_object()) continue;
    auto end = one.find("not_after_ms");
    if (end != one.end() && end->is_number_integer())
      out.list.push_back({text_of(one, "file"), from_unix_ms(end->get<std::int64_t>())});
  }
  return out;
}

SupervisorReport parse_report(const ReadJson& request) {
  SupervisorReport out;
  out.state = text_of(request, name_of(Argument::state));
  out.version = text_of(request, name_of(Argument::version));
  for (const ReadJson& one : list_of(request, name_of(Argument::processes))) {
    if (!one.is_object()) continue;
    auto pid = one.find("pid");
    bool numbered = pid != one.end() && pid->is_number_integer();
    out.processes.push_back({text_of(one, "name"), numbered ? pid->get<std::int64_t>() : 0});
  }
  out.certificates = parse_certificates(request);
  for (const ReadJson& one : list_of(request, name_of(Argument::trouble)))
    if (one.is_string()) out.trouble.push_back(one.get<std::string>());
  return out;
}

}  // namespace

Result<Command> parse_command(const std::string& json) {
  ReadJson request = ReadJson::parse(json, nullptr, false);
  if (!request.is_object()) return Error{"the request is not a JSON object", kExitProtocol};
  Command command;
  command.name = text_of(request, "command");
  if (command.name.empty()) return Error{"the request names no command", kExitProtocol};
  command.info = ipc::find_operator_command(command.name);
  if (command.info == nullptr) return command;
  command.json = json;
  auto takes = [&](Argument argument) { return command.info->arguments.has(argument); };
  auto text = [&](Argument argument) {
    return takes(argument) ? text_of(request, name_of(argument)) : std::string();
  };
  if (auto filter = request.find(name_of(Argument::filter));
      takes(Argument::filter) && filter != request.end() && filter->is_object()) {
    command.all = flag_of(*filter, "all");
    Result<ListFilter> parsed = parse_filter(*filter);
    if (!parsed) return parsed.error();
    command.filter = parsed.take();
  }
  command.dry_run = takes(Argument::dry_run) && flag_of(request, name_of(Argument::dry_run));
  command.destination = text(Argument::destination);
  command.by = text(Argument::by);
  command.reason = text(Argument::reason);
  if (std::string time = text(Argument::for_time); !time.empty()) {
    command.for_time = parse_duration(time);
    if (!command.for_time)
      return Error{"'" + time + "' is not a duration (30m, 2h, 3d)", kExitUsage};
  }
  command.query = text(Argument::query);
  command.sender = text(Argument::sender);
  command.client = text(Argument::client);
  command.node = text(Argument::node);
  if (takes(Argument::limit))
    command.limit = number_of(request, name_of(Argument::limit)).value_or(command.limit);
  if (takes(Argument::offset))
    command.offset = number_of(request, name_of(Argument::offset)).value_or(0);
  if (takes(Argument::processes)) command.report = parse_report(request);
  return command;
}

std::optional<Error> refusal_of(const Command& command, bool only_looks, bool is_supervisor) {
  bool known = command.info != nullptr;
  if (only_looks && !(known && command.info->user == ipc::CommandUser::viewer))
    return Error{"'" + printable(command.name) +
                     "' is for root and the queue's user: your group may only look "
                     "([control] viewers)",
                 kExitNoPermission};
  if (!known || (command.info->user == ipc::CommandUser::supervisor && !is_supervisor))
    return Error{"unknown command '" + command.name + "'", kExitUsage};
  return std::nullopt;
}

}  // namespace postwain::qmgr
