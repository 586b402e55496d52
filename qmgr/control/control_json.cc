#include "qmgr/control/control_json.h"

#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/base/text.h"

#include "qmgr/control/json_text.h"
#include "qmgr/model/held_domains.h"

namespace postwain::qmgr {

namespace {

using Json = nlohmann::ordered_json;

std::string write(Json value) {
  return write_json(std::move(value));
}

std::string text_of(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<std::uint64_t> number_of(const Json& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

Result<ListFilter> parse_filter(const Json& object) {
  ListFilter filter;
  filter.domain = text_of(object, "domain");
  filter.sender = text_of(object, "sender");
  filter.recipient = text_of(object, "recipient");
  auto in_doubt = object.find("in_doubt");
  filter.in_doubt = in_doubt != object.end() && in_doubt->is_boolean() && in_doubt->get<bool>();
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

std::string end_text(WallTime until) {
  return until == WallTime::max() ? std::string("further notice") : format_rfc3339(until);
}

void add_wait_members(Json& out, const Wait& wait, WallTime now) {
  out["waiting_for"] = name_of(wait.cause);
  out["waiting_until"] = wait.until == WallTime::max()
                             ? wait.cause == WaitCause::suspension ? "further notice" : ""
                             : format_rfc3339(std::max(wait.until, now));
  out["waiting_reason"] = wait.words(now);
}

Json recipient_json(const MessageInfo& info, const StoredRecipient& r, const RowView& view,
                    bool active) {
  WallTime now = wall_now();
  std::optional<Wait> wait = view.wait_of && !active ? view.wait_of(info, r) : std::nullopt;
  WallTime next = next_attempt(r, wait ? &*wait : nullptr, now);
  Json out;
  out["address"] = r.recipient.address.text();
  out["state"] = name_of(shown_state(r, active));
  out["attempts"] = r.attempts;
  out["in_doubt"] = r.in_doubt;
  out["next_attempt_at"] = next == WallTime{} ? std::string() : format_rfc3339(next);
  out["last_reply"] = r.last.at == WallTime{} ? std::string() : r.last.reply.one_line();
  out["last_host"] = r.last.remote_host;
  if (wait) add_wait_members(out, *wait, now);
  return out;
}

// The state of a message is that of its liveliest recipient.
ShownState message_state(const std::vector<ShownState>& states) {
  ShownState best = ShownState::held;
  for (ShownState state : states) {
    if (state == ShownState::active) return state;
    if (state == ShownState::deferred) best = state;
    if (state == ShownState::queued && best == ShownState::held) best = state;
  }
  return best;
}

Json message_json(const StoredMessage& message, const std::vector<ShownState>& states) {
  const MessageInfo& info = message.info;
  Json out;
  out["id"] = info.id.text();
  out["sender"] = info.envelope.reverse_path.text();
  out["size"] = info.size;
  out["received_at"] = format_rfc3339(info.arrival.received_at);
  out["state"] = name_of(message_state(states));
  out["route"] = message.recipients.empty() ? std::string_view()
                                            : way_name(message.recipients.front().destination);
  out["class"] = name_of(info.traffic_class);
  return out;
}

Json continued_json(const StoredMessage& slice) {
  return Json{{"id", slice.info.id.text()}, {"continued", true}};
}

// A field of the envelope, as JSON shows it.
Json field_json(const mail::Address& address) {
  return address.text();
}
Json field_json(mail::Notify notify) {
  return notify.text();
}
Json field_json(bool flag) {
  return flag;
}
Json field_json(const std::string& text) {
  return text;
}
template <class Enum>
requires std::is_enum_v<Enum> Json field_json(Enum value) {
  return name_of(value);
}

// A member that is there already keeps its place.
template <class Owner>
void add_fields(Json& out, const Owner& owner) {
  visit_fields(owner, [&out](const mail::FieldName& name, const auto& value) {
    out[name.json] = field_json(value);
  });
}

void add_details(Json& out, const MessageInfo& info) {
  out["protocol"] = info.arrival.protocol;
  out["client_address"] = info.arrival.client_address;
  out["client_name"] = info.arrival.client_name;
  out["account"] = info.arrival.account;
  // The order in which programs have always seen these; a new field comes after them.
  out["body"] = nullptr;
  out["eight_bit"] = info.eight_bit;
  out["ret"] = nullptr;
  out["kind"] = static_cast<int>(info.kind);
  out["received_ms"] = to_unix_ms(info.arrival.received_at);
  out["envid"] = nullptr;
  add_fields(out, info.envelope);
  out["content_in_file"] = info.in_file;
}

std::vector<ShownState> states_of(const StoredMessage& message, const IsActive& is_active) {
  std::vector<ShownState> states;
  for (const StoredRecipient& r : message.recipients)
    states.push_back(shown_state(r, is_active(message.info.id, r.index)));
  return states;
}

Json queue_json(const QueueStatus& status) {
  Json queue;
  queue["messages"] = status.messages;
  queue["recipients"] = status.recipients;
  queue["counted"] = status.counted;
  Json& states = queue["states"] = Json::object();
  for (std::size_t i = 0; i < kQueueStates; ++i) {
    auto state = static_cast<QueueState>(i);
    std::int64_t sum = 0;
    for (const Counts::Group& group : status.groups)
      if (group.state == state) sum += group.recipients;
    states[std::string(name_of(state))] = sum;
  }
  queue["oldest"] = status.oldest == WallTime{} ? "" : format_rfc3339(status.oldest);
  queue["active"] = status.active;
  queue["in_memory"] = status.in_memory;
  queue["content_bytes"] = status.content_bytes;
  queue["wal_bytes"] = status.wal_bytes;
  return queue;
}

// One word for what may be sent there. (A breaker is open or closed; a recipient is held.)
std::string_view state_of(const DestinationReport& one) {
  if (one.suspended_until) return "suspended";
  if (one.open || one.mx_set_open) return "down";
  return one.draining ? "draining" : "ready";
}

Json destination_json(const DestinationReport& one) {
  Json d;
  d["route"] = one.key;
  d["queued"] = one.queued;
  d["active"] = one.running;
  d["window"] = one.window;
  d["state"] = state_of(one);
  d["breaker"] = one.open ? "open" : "closed";
  // When the time is over, the next message is the trial.
  bool down = one.open || one.mx_set_open;
  if (down && one.hold_until > wall_now()) d["hold_until"] = format_rfc3339(one.hold_until);
  if (!one.mx_set.empty()) {
    d["mx_set"] = one.mx_set;
    d["mx_set_breaker"] = one.mx_set_open ? "open" : "closed";
  }
  d["draining"] = one.draining;
  if (one.suspended_until) d["suspended_until"] = end_text(*one.suspended_until);
  return d;
}

// As qshape(1): {"domain", "recipients", "oldest", "5m", "10m" … "1280m", "1280m+"}.
Json shape_json(const ShapeRow& row) {
  Json out;
  out["domain"] = row.domain;
  out["recipients"] = row.recipients;
  out["oldest"] = row.oldest == WallTime::max() ? std::string() : format_rfc3339(row.oldest);
  for (std::size_t i = 0; i < kShapeMinutes.size(); ++i)
    out[std::to_string(kShapeMinutes[i]) + "m"] = row.ages[i];
  out[std::to_string(kShapeMinutes.back()) + "m+"] = row.ages.back();
  return out;
}

void read_certificates(const Json& request, Certificates& out) {
  out.trouble = text_of(request, "certificate_trouble");
  auto list = request.find("certificates");
  if (list == request.end() || !list->is_array()) return;
  for (const Json& one : *list) {
    if (!one.is_object()) continue;
    auto end = one.find("not_after_ms");
    if (end != one.end() && end->is_number_integer())
      out.list.push_back({text_of(one, "file"), from_unix_ms(end->get<std::int64_t>())});
  }
}

}  // namespace

Result<Command> parse_command(const std::string& json) {
  Json request = Json::parse(json, nullptr, false);
  if (!request.is_object()) return Error{"the request is not a JSON object", kExitProtocol};
  Command command;
  command.name = text_of(request, "command");
  if (command.name.empty()) return Error{"the request names no command", kExitProtocol};
  if (auto filter = request.find("filter"); filter != request.end() && filter->is_object()) {
    auto all = filter->find("all");
    command.all = all != filter->end() && all->is_boolean() && all->get<bool>();
    Result<ListFilter> parsed = parse_filter(*filter);
    if (!parsed) return parsed.error();
    command.filter = parsed.take();
  }
  auto dry_run = request.find("dry_run");
  command.dry_run = dry_run != request.end() && dry_run->is_boolean() && dry_run->get<bool>();
  command.destination = text_of(request, "destination");
  command.by = text_of(request, "by");
  command.sender = text_of(request, "sender");
  command.reason = text_of(request, "reason");
  if (std::string time = text_of(request, "for"); !time.empty()) {
    command.for_time = parse_duration(time);
    if (!command.for_time)
      return Error{"'" + time + "' is not a duration (30m, 2h, 3d)", kExitUsage};
  }
  command.query = text_of(request, "query");
  command.client = text_of(request, "client");
  if (auto limit = request.find("limit"); limit != request.end() && limit->is_number_unsigned())
    command.limit = limit->get<std::size_t>();
  if (auto at = request.find("offset"); at != request.end() && at->is_number_unsigned())
    command.offset = at->get<std::uint64_t>();
  command.state = text_of(request, "state");
  command.version = text_of(request, "version");
  if (auto list = request.find("processes"); list != request.end() && list->is_array())
    for (const Json& one : *list) {
      if (!one.is_object()) continue;
      auto pid = one.find("pid");
      command.processes.push_back(
          {text_of(one, "name"),
           pid != one.end() && pid->is_number_integer() ? pid->get<std::int64_t>() : 0});
    }
  read_certificates(request, command.certificates);
  if (auto list = request.find("trouble"); list != request.end() && list->is_array())
    for (const Json& one : *list)
      if (one.is_string()) command.trouble.push_back(one.get<std::string>());
  return command;
}

std::string json_error(const std::string& text) {
  return write(Json{{"error", text}});
}

std::string json_content(std::string_view bytes) {
  return Json{{"data", base64_encode(bytes)}}.dump();
}

std::string json_ok() {
  return write(Json{{"ok", true}});
}

std::string json_suspended(const std::string& name, const std::string& scope,
                           std::optional<WallTime> until) {
  Json out{{"matched", 1}, {"changed", 1}, {"destination", name}, {"scope", scope}};
  if (until) out["suspended_until"] = end_text(*until);
  return write(std::move(out));
}

std::string json_way(std::string_view destination, const std::optional<Wait>& wait, WallTime now) {
  Json out{{"destination", destination}};
  if (wait) add_wait_members(out, *wait, now);
  return write(std::move(out));
}

std::string json_destination(const DestinationReport& report, const Suspension* suspension,
                             const std::string& reason, const std::vector<mail::HostLacks>& lacking,
                             std::optional<ConnectionLedger::Count> connections) {
  Json out = destination_json(report);
  if (connections)
    out["connections"] = {{"open", connections->open}, {"waiting", connections->waiting}};
  if (!reason.empty()) out["reason"] = reason;
  if (suspension != nullptr) {
    out["suspended_by"] = suspension->author;
    out["suspended_since"] = format_rfc3339(suspension->since);
    out["suspended_reason"] = suspension->reason;
  }
  for (const mail::HostLacks& host : lacking) {
    Json names = Json::array();
    for (mail::Ability ability : host.lacks.list()) names.push_back(name_of(ability));
    out["learned"].push_back({{"host", host.host}, {"avoid", std::move(names)}});
  }
  return write(out);
}

std::string json_acted(const Acted& acted, const std::map<std::string, std::size_t>& hindered) {
  Json out{{"matched", acted.matched},
           {"changed", acted.changed},
           {"recipients", acted.recipients},
           {"recipients_changed", acted.recipients_changed}};
  for (const auto& [why, recipients] : hindered)
    out["not_tried"].push_back({{"recipients", recipients}, {"why", why}});
  return write(std::move(out));
}

std::string json_not_shown(std::size_t count) {
  return write(Json{{"not_shown", count}});
}

std::string json_looked_at(std::size_t messages) {
  return write(Json{{"looked_at", messages}});
}

std::string json_waiting(std::size_t recipients) {
  return write(Json{{"waiting_for", recipients}});
}

std::vector<std::string> json_listed(const StoredMessage& slice, const RowView& view,
                                     bool continued) {
  std::vector<ShownState> states = states_of(slice, view.is_active);
  Json head = continued ? continued_json(slice) : message_json(slice, states);
  return json_parts(head, continued_json(slice), states.size(), [&](std::size_t i) {
    return recipient_json(slice.info, slice.recipients[i], view, states[i] == ShownState::active);
  });
}

std::vector<std::string> json_shown(const StoredMessage& slice, const RowView& view,
                                    bool continued) {
  std::vector<ShownState> states = states_of(slice, view.is_active);
  Json head = continued ? continued_json(slice) : message_json(slice, states);
  if (!continued) add_details(head, slice.info);
  return json_parts(head, continued_json(slice), states.size(), [&](std::size_t i) {
    const StoredRecipient& r = slice.recipients[i];
    Json one = recipient_json(slice.info, r, view, states[i] == ShownState::active);
    one["index"] = r.index;
    one["route"] = way_name(r.destination);
    add_fields(one, r.recipient);
    one["delay_warned"] = r.delay_warned;
    one["last_stage"] = r.last.at == WallTime{} ? "" : mail::name_of(r.last.stage);
    one["last_attempt_at"] = r.last.at == WallTime{} ? "" : format_rfc3339(r.last.at);
    return one;
  });
}

std::int64_t days_left(WallTime not_after, WallTime now) {
  constexpr std::int64_t kDay = 86'400'000;
  std::int64_t ms = to_unix_ms(not_after) - to_unix_ms(now);
  return ms >= 0 ? ms / kDay : -((-ms + kDay - 1) / kDay);
}

std::string json_status(const QueueStatus& status) {
  Json out;
  out["state"] = status.state;
  out["version"] = status.version;
  Json& processes = out["processes"] = Json::array();
  for (const Process& one : status.processes)
    processes.push_back({{"name", one.name}, {"pid", one.pid}});
  out["queue"] = queue_json(status);
  out["accepting"] = status.accepting;
  out["refusal"] = status.refusal;
  out["delivering"] = status.standstill.empty();
  out["standstill"] = status.standstill;
  Json& certificates = out["certificates"] = Json::array();
  for (const Certificates::One& one : status.certificates.list)
    certificates.push_back({{"file", one.file},
                            {"not_after", format_rfc3339(one.not_after)},
                            {"days_left", days_left(one.not_after, wall_now())}});
  if (!status.certificates.trouble.empty())
    out["certificate_trouble"] = status.certificates.trouble;
  out["history"] = {{"on", status.history.on}, {"dropped", status.history.dropped}};
  if (!status.history.trouble.empty()) out["history"]["trouble"] = status.history.trouble;
  if (!status.trouble.empty()) out["trouble"] = status.trouble;
  out["agents"] = {{"smtp-client", status.smtp_clients}, {"lmtp-client", status.lmtp_clients}};
  return write(out);
}

std::string json_stats(const QueueStatus& status, std::size_t in_doubt,
                       const std::vector<DestinationReport>& destinations,
                       const QueueShape& shape) {
  Json out = queue_json(status);
  out["in_doubt"] = in_doubt;
  Json& domains = out["domains"] = Json::array();
  for (const ShapeRow& row : shape.top(kShapeShown)) domains.push_back(shape_json(row));
  if (QueueShape::Rest rest = shape.rest(kShapeShown); rest.row.recipients > 0) {
    out["other_domains"] = shape_json(rest.row);
    out["other_domains"]["domain"] = "";
    out["other_domains"]["domains"] = rest.domains;
  }
  out["all_domains"] = shape_json(shape.all());
  Json& list = out["destinations"] = Json::array();
  for (const DestinationReport& one : destinations) list.push_back(destination_json(one));
  return write(out);
}

std::string json_snapshot(const std::string& folder, const QueueStatus& status) {
  return write(Json{{"ok", true},
                    {"folder", folder},
                    {"messages", status.messages},
                    {"recipients", status.recipients}});
}

}  // namespace postwain::qmgr
