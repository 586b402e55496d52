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

constexpr const char* kTaken[] = {"id",
                                  "sender",
                                  "size",
                                  "received_at",
                                  "received_ms",
                                  "protocol",
                                  "client_address",
                                  "client_name",
                                  "account",
                                  "body",
                                  "eight_bit",
                                  "smtputf8",
                                  "require_tls",
                                  "tls_required_no",
                                  "ret",
                                  "envid",
                                  "kind"};
constexpr const char* kTakenOfRecipient[] = {"address",  "notify",   "orcpt",     "state",
                                             "attempts", "in_doubt", "last_reply"};

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
  // The place of the text in the list.
  std::size_t choice(const char* name, std::initializer_list<std::string_view> list) {
    std::string value = text(name);
    std::size_t place = 0;
    for (std::string_view one : list) {
      if (one == value) return place;
      ++place;
    }
    return wrong(name), 0;
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
  const Json& object_;
  std::string problem_;
};

std::optional<mail::Notify> parse_notify(const std::string& text) {
  mail::Notify notify;
  if (text.empty()) return notify;
  for (std::string_view word : split(text, ',')) {
    if (word == "NEVER")
      notify.bits |= mail::Notify::never;
    else if (word == "SUCCESS")
      notify.bits |= mail::Notify::success;
    else if (word == "FAILURE")
      notify.bits |= mail::Notify::failure;
    else if (word == "DELAY")
      notify.bits |= mail::Notify::delay;
    else
      return std::nullopt;
  }
  return notify;
}

std::string take_recipients(const Json& list, PortableMessage& out) {
  constexpr std::size_t kRecipientsMax = 100'000;
  if (!list.is_array() || list.empty() || list.size() > kRecipientsMax)
    return "'recipients' is missing or wrong";
  for (const Json& one : list) {
    if (!one.is_object()) return "a recipient is no object";
    Members members(one);
    mail::Recipient recipient;
    recipient.address = members.address("address", false);
    recipient.orcpt = members.text("orcpt");
    auto notify = parse_notify(members.text("notify"));
    if (!notify) members.wrong("notify");
    if (!members.problem().empty()) return "a recipient: " + members.problem();
    recipient.notify = *notify;
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
  for (const char* name : kTaken)
    if (message.contains(name)) out[name] = message[name];
  Json& recipients = out["recipients"] = Json::array();
  if (message.contains("recipients"))
    for (const Json& one : message["recipients"]) {
      Json& copy = recipients.emplace_back(Json::object());
      for (const char* name : kTakenOfRecipient)
        if (one.contains(name)) copy[name] = one[name];
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
  mail::Envelope& envelope = out.envelope;
  envelope.reverse_path = members.address("sender", true);
  envelope.body =
      static_cast<mail::BodyType>(members.choice("body", {"7BIT", "8BITMIME", "BINARYMIME"}));
  envelope.ret = static_cast<mail::DsnReturn>(members.choice("ret", {"", "FULL", "HDRS"}));
  envelope.smtputf8 = members.flag("smtputf8");
  envelope.require_tls = members.flag("require_tls");
  envelope.tls_required_no = members.flag("tls_required_no");
  envelope.envid = members.text("envid");
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
  if (!members.problem().empty()) return Error{members.problem()};
  auto recipients = object.find("recipients");
  std::string problem = take_recipients(recipients == object.end() ? Json() : *recipients, out);
  if (!problem.empty()) return Error{problem};
  return out;
}

}  // namespace postwain::tool
