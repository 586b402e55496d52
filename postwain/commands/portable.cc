#include "postwain/commands/portable.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "common/smtp/syntax/address_syntax.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "postwain-message 1";
constexpr std::size_t kTextMax = 1024;

// Of `queue show`, beside the fields of envelope and recipient, and in this order.
constexpr const char* kTakenFirst[] = {"id",          "sender",   "size",           "received_at",
                                       "received_ms", "protocol", "client_address", "client_name",
                                       "account",     "body",     "eight_bit"};
constexpr const char* kTakenLast[] = {"kind", "unjudged"};
constexpr const char* kTakenOfRecipient[] = {"state", "attempts", "in_doubt", "last_reply"};

// Reads members and remembers the first that is not as it should be.
class Members {
 public:
  explicit Members(const Json& object) : object_(object) {}

  std::string text(const char* name, std::size_t most = kTextMax) {
    auto found = object_.find(name);
    if (found == object_.end() || !found->is_string()) return wrong(name), std::string();
    std::string value = found->get<std::string>();
    for (char c : value)
      if (static_cast<unsigned char>(c) < 32 || c == 127) return wrong(name), std::string();
    if (value.size() > most) return wrong(name), std::string();
    return value;
  }
  bool flag(const char* name) {
    auto found = object_.find(name);
    if (found == object_.end() || !found->is_boolean()) return wrong(name), false;
    return found->get<bool>();
  }
  std::uint64_t number(const char* name, std::uint64_t most) {
    auto found = object_.find(name);
    bool good = found != object_.end() && found->is_number_unsigned() &&
                found->get<std::uint64_t>() <= most;
    return good ? found->get<std::uint64_t>() : (wrong(name), 0);
  }
  // Fields of the envelope. One that is younger than the format may be absent.
  template <class Value>
  void field(const mail::FieldName& name, Value& value) {
    if (name.since > 1 && !object_.contains(name.json)) return;
    read(name.json, value);
  }
  mail::Address address(const char* name, bool may_be_null) {
    std::string value = text(name);
    if (value.empty() && may_be_null) return {};
    auto parsed = smtp::parse_mailbox(value);
    if (!parsed) return wrong(name), mail::Address();
    return *parsed;
  }
  void wrong(const char* name) {
    if (problem_.empty()) problem_ = fmt::format("'{}' is missing or wrong", name);
  }
  const std::string& problem() const { return problem_; }

 private:
  void read(const char* name, bool& value) { value = flag(name); }
  void read(const char* name, std::string& value) { value = text(name); }
  // Only that of the sender may be null.
  void read(const char* name, mail::Address& value) {
    value = address(name, std::string_view(name) == "sender");
  }
  void read(const char* name, mail::Notify& value) {
    auto parsed = mail::Notify::parse(text(name));
    parsed ? void(value = *parsed) : wrong(name);
  }
  // By its name.
  template <class Enum>
  requires std::is_enum_v<Enum>
  void read(const char* name, Enum& value) {
    std::string given = text(name);
    for (int i = 0; i <= static_cast<int>(last_of(Enum{})); ++i)
      if (name_of(static_cast<Enum>(i)) == given) return void(value = static_cast<Enum>(i));
    wrong(name);
  }

  const Json& object_;
  std::string problem_;
};

template <class Owner>
void take_fields(Members& members, Owner& owner) {
  visit_fields(
      owner, [&members](const mail::FieldName& name, auto& value) { members.field(name, value); });
}

template <class Owner>
void copy_fields(const Json& from, Json& to) {
  const Owner any;
  visit_fields(any, [&](const mail::FieldName& name, const auto&) {
    if (auto found = from.find(name.json); found != from.end()) to[name.json] = *found;
  });
}

template <std::size_t kCount>
void copy_members(const Json& from, Json& to, const char* const (&names)[kCount]) {
  for (const char* name : names)
    if (auto found = from.find(name); found != from.end()) to[name] = *found;
}

std::string take_recipients(const Json& list, PortableMessage& out) {
  constexpr std::size_t kRecipientsMax = 100'000;
  if (!list.is_array() || list.empty() || list.size() > kRecipientsMax)
    return "'recipients' is missing or wrong";
  for (const Json& one : list) {
    if (!one.is_object()) return "a recipient is no object";
    Members members(one);
    mail::Recipient recipient;
    take_fields(members, recipient);
    if (!members.problem().empty()) return "a recipient: " + members.problem();
    out.held.push_back(members.text("state") == "held");
    out.envelope.recipients.push_back(std::move(recipient));
  }
  return {};
}

}  // namespace

Result<std::string> portable_text(const std::string& shown) {
  Json message = Json::parse(shown, nullptr, false);
  if (!message.is_object()) return Error{"qmgr's answer is no object"};
  Json out;
  out["format"] = kFormat;
  copy_members(message, out, kTakenFirst);
  copy_fields<mail::Envelope>(message, out);
  copy_members(message, out, kTakenLast);
  Json& recipients = out["recipients"] = Json::array();
  if (message.contains("recipients"))
    for (const Json& one : message["recipients"]) {
      Json& copy = recipients.emplace_back(Json::object());
      copy_fields<mail::Recipient>(one, copy);
      copy_members(one, copy, kTakenOfRecipient);
    }
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<PortableMessage> parse_portable(const std::string& text) {
  Json object = Json::parse(text, nullptr, false);
  if (!object.is_object()) return Error{"it is no JSON object"};
  Members members(object);
  if (members.text("format") != kFormat)
    return Error{fmt::format("its format is not '{}'", kFormat)};
  PortableMessage out;
  auto id = mail::QueueId::parse(members.text("id"));
  if (!id || id->value == 0) return Error{"'id' is no queue id"};
  out.id = *id;
  take_fields(members, out.envelope);
  out.arrival.protocol = members.text("protocol");
  out.arrival.client_address = members.text("client_address");
  out.arrival.client_name = members.text("client_name");
  out.arrival.account = members.text("account");
  constexpr std::uint64_t kLatest = 253'402'300'799'999;  // the year 9999
  out.arrival.received_at =
      from_unix_ms(static_cast<std::int64_t>(members.number("received_ms", kLatest)));
  out.eight_bit = members.flag("eight_bit");
  out.size = members.number("size", std::uint64_t{1} << 50);
  out.kind = static_cast<std::uint8_t>(members.number("kind", 2));
  if (object.contains("unjudged")) out.unjudged = members.flag("unjudged");
  if (!members.problem().empty()) return Error{members.problem()};
  auto recipients = object.find("recipients");
  std::string problem = take_recipients(recipients == object.end() ? Json() : *recipients, out);
  if (!problem.empty()) return Error{problem};
  return out;
}

}  // namespace postwain::tool
