#include "qmgr/control/json/queue_json.h"

#include <nlohmann/json.hpp>

#include "qmgr/control/json/destination_json.h"
#include "qmgr/control/json/json_text.h"
#include "qmgr/model/held_domains.h"
#include "qmgr/model/list_filter.h"
#include "qmgr/model/unjudged.h"

namespace postwain::qmgr {

namespace {

using Json = nlohmann::ordered_json;

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

Json message_json(const StoredMessage& message, const std::vector<ShownState>& states,
                  const RowView& view) {
  const MessageInfo& info = message.info;
  Json out;
  out["id"] = info.id.text();
  out["sender"] = info.envelope.reverse_path.text();
  out["size"] = info.size;
  out["received_at"] = format_rfc3339(info.arrival.received_at);
  out["state"] = name_of(message_state(states));
  out["route"] = message.recipients.empty() ? std::string_view()
                                            : unsplit_key(message.recipients.front().destination);
  out["class"] = name_of(info.traffic_class);
  if (view.node_of) out["node"] = view.node_of(info.id);
  return out;
}

Json continued_json(const StoredMessage& part) {
  return Json{{"id", part.info.id.text()}, {"continued", true}};
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

}  // namespace

std::string json_acted(const Acted& acted, const std::map<std::string, std::size_t>& hindered) {
  Json out{{"matched", acted.matched},
           {"changed", acted.changed},
           {"recipients", acted.recipients},
           {"recipients_changed", acted.recipients_changed}};
  for (const auto& [why, recipients] : hindered)
    out["not_tried"].push_back({{"recipients", recipients}, {"why", why}});
  return write_json(std::move(out));
}

std::string json_looked_at(std::size_t messages) {
  return write_json(Json{{"looked_at", messages}});
}

std::string json_waiting(std::size_t recipients) {
  return write_json(Json{{"waiting_for", recipients}});
}

std::vector<std::string> json_listed(const StoredMessage& part, const RowView& view,
                                     bool continued) {
  std::vector<ShownState> states = states_of(part, view.is_active);
  Json head = continued ? continued_json(part) : message_json(part, states, view);
  return json_parts(head, continued_json(part), states.size(), [&](std::size_t i) {
    return recipient_json(part.info, part.recipients[i], view, states[i] == ShownState::active);
  });
}

std::vector<std::string> json_shown(const StoredMessage& part, const RowView& view,
                                    bool continued) {
  std::vector<ShownState> states = states_of(part, view.is_active);
  Json head = continued ? continued_json(part) : message_json(part, states, view);
  if (!continued) add_details(head, part.info);
  if (!continued && is_unjudged(part)) head["unjudged"] = true;
  if (!continued && !view.signs && part.info.envelope.sign != mail::Signing::none)
    head["signing"] = "no key is configured ([[dkim_key]]), so it leaves unsigned";
  return json_parts(head, continued_json(part), states.size(), [&](std::size_t i) {
    const StoredRecipient& r = part.recipients[i];
    Json one = recipient_json(part.info, r, view, states[i] == ShownState::active);
    one["index"] = r.index;
    one["route"] = unsplit_key(r.destination);
    add_fields(one, r.recipient);
    one["delay_warned"] = r.delay_warned;
    one["last_stage"] = r.last.at == WallTime{} ? "" : mail::name_of(r.last.stage);
    one["last_attempt_at"] = r.last.at == WallTime{} ? "" : format_rfc3339(r.last.at);
    return one;
  });
}

}  // namespace postwain::qmgr
