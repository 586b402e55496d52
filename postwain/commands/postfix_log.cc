#include "postwain/commands/postfix_log.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "postwain/client/json_member.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLineMax = 64U << 10;  // ours are shorter; longer ones are none

std::string_view take_word(std::string_view& text) {
  std::size_t end = std::min(text.find(' '), text.size());
  std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

// "smtpd[0][123]": the number of the process stands last.
bool read_process(std::string_view text, LogEvent& out) {
  std::size_t open = text.rfind('[');
  if (open == std::string_view::npos || text.empty() || text.back() != ']') return false;
  out.process = text.substr(0, text.find('['));
  out.pid = text.substr(open + 1, text.size() - open - 2);
  return !out.process.empty() && !out.pid.empty() &&
         std::all_of(out.pid.begin(), out.pid.end(), is_digit);
}

// key=value key="a value"
void read_fields(std::string_view text, LogEvent& out) {
  while (!text.empty()) {
    std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) return;
    std::string key(text.substr(0, equals));
    text.remove_prefix(equals + 1);
    std::string value;
    if (text.empty() || text.front() != '"') {
      value = take_word(text);
    } else {
      std::size_t at = 1;
      for (; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\' && at + 1 < text.size() &&
            (text[at + 1] == '"' || text[at + 1] == '\\'))
          ++at;
        value += text[at];
      }
      text.remove_prefix(std::min(at + 2, text.size()));
    }
    out.fields[key] = std::move(value);
  }
}

std::optional<LogEvent> from_json(const std::string& line) {
  Json object = parse_answer(line);
  LogEvent out;
  out.stamp = printable(raw_member(object, "time")) + " localhost";
  out.process = raw_member(object, "process");
  out.process.resize(std::min(out.process.find('['), out.process.size()));
  out.pid = std::to_string(number_member(object, "pid"));
  out.event = raw_member(object, "event");
  for (const auto& [key, value] : object.items())
    out.fields[key] = value.is_string()
                          ? printable(value.get<std::string>())
                          : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (out.event.empty() || out.process.empty()) return std::nullopt;
  return out;
}

// What stands between < and > in Postfix's lines.
std::string address_of(const LogEvent& event, std::string_view key) {
  auto found = event.fields.find(key);
  std::string text = found == event.fields.end() ? std::string() : found->second;
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '<' || c == '>'; }, '_');
  return text;
}

std::string field(const LogEvent& event, std::string_view key, std::string_view otherwise = {}) {
  auto found = event.fields.find(key);
  return found == event.fields.end() ? std::string(otherwise) : found->second;
}

std::string line(const LogEvent& event, std::string_view program, const std::string& text) {
  return fmt::format("{} postfix/{}[{}]: {}\n", event.stamp, program, event.pid, text);
}

std::string sender_line(const LogEvent& event) {
  return line(event, "qmgr",
              fmt::format("{}: from=<{}>, size={}, nrcpt={} (queue active)", field(event, "id"),
                          address_of(event, "from"), field(event, "size", "0"),
                          field(event, "recipients", "1")));
}

std::string accepted_lines(const LogEvent& event) {
  std::string client = field(event, "client");
  return line(event, "smtpd",
              fmt::format("{}: client={}[{}]", field(event, "id"),
                          field(event, "client_name", "unknown"), client)) +
         sender_line(event);
}

// Mail of local programs, and what is made or split off here. What came by SMTP is told by
// "accepted", which has the client.
std::string queued_lines(const LogEvent& event) {
  if (std::string uid = field(event, "uid"); !uid.empty())
    return line(event, "pickup",
                fmt::format("{}: uid={} from=<{}>", field(event, "id"), uid,
                            address_of(event, "from"))) +
           sender_line(event);
  bool ours = !field(event, "part_of").empty() || field(event, "from").empty();
  return ours ? sender_line(event) : std::string();
}

// "1h2m", "1.5s", "205ms", in seconds.
double seconds_of(std::string_view text) {
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"ms", 0.001}, {"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}};
  double sum = 0;
  while (!text.empty()) {
    std::size_t digits = 0;
    while (digits < text.size() && (is_digit(text[digits]) || text[digits] == '.')) ++digits;
    if (digits == 0 || digits > 12) return sum;
    double number = std::strtod(std::string(text.substr(0, digits)).c_str(), nullptr);
    text.remove_prefix(digits);
    const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits), [&](const auto& one) {
      return text.substr(0, one.first.size()) == one.first;
    });
    if (unit == std::end(kUnits)) return sum;
    sum += number * unit->second;
    text.remove_prefix(unit->first.size());
  }
  return sum;
}

std::string relay_of(const LogEvent& event) {
  std::string host = field(event, "host");
  std::string address = field(event, "address");
  if (host.empty() && address.empty()) return "none";
  std::string relay = host.empty() ? address : host;
  if (!address.empty()) relay += "[" + address + "]";
  std::replace(relay.begin(), relay.end(), ',', '_');
  return relay;
}

std::string outcome_line(const LogEvent& event, std::string_view status) {
  std::string reply = field(event, "reply", field(event, "reason"));
  std::string dsn = field(event, "status");
  // "450 4.2.0 busy" has it within.
  if (std::size_t at = reply.find(' '); dsn.empty() && at == 3)
    dsn = reply.substr(4, reply.find(' ', 4) - 4);
  if (dsn.empty() || !is_digit(dsn.front())) dsn = status == "sent" ? "2.0.0" : "4.0.0";
  if (!field(event, "reply").empty() && !field(event, "host").empty())
    reply = fmt::format("host {} said: {}", relay_of(event), reply);
  bool store = event.process == "lmtp-client";
  return line(
      event,
      store                     ? "lmtp"
      : event.process == "qmgr" ? "qmgr"
                                : "smtp",
      fmt::format("{}: to=<{}>, relay={}, delay={:.2f}, delays=0/0/0/0, dsn={}, status={} ({})",
                  field(event, "id"), address_of(event, "to"), relay_of(event),
                  seconds_of(field(event, "delay")), dsn, status, reply));
}

std::string refused_line(const LogEvent& event) {
  return line(event, "smtpd",
              fmt::format("NOQUEUE: reject: {} from {}[{}]: {}; from=<{}> to=<{}> proto=ESMTP "
                          "helo=<{}>",
                          field(event, "stage", "CONNECT"), field(event, "client_name", "unknown"),
                          field(event, "client"), field(event, "reply"), address_of(event, "from"),
                          address_of(event, "to"), address_of(event, "name")));
}

}  // namespace

std::optional<LogEvent> parse_log_line(std::string_view text) {
  auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7F; };
  if (text.empty() || text.size() > kLineMax || std::any_of(text.begin(), text.end(), is_control))
    return std::nullopt;
  if (text.front() == '{') return from_json(std::string(text));
  LogEvent out;
  constexpr std::string_view kTag = " postwain/";
  std::size_t tag = text.find(kTag);
  std::string_view rest = text;
  if (tag != std::string_view::npos && tag < 100) {  // a log daemon's
    out.stamp = text.substr(0, tag);
    rest = text.substr(tag + kTag.size());
    std::string_view process = take_word(rest);
    if (process.empty() || process.back() != ':') return std::nullopt;
    process.remove_suffix(1);
    if (!read_process(process, out)) return std::nullopt;
  } else {
    out.stamp = std::string(take_word(rest)) + " localhost";
    if (!read_process(take_word(rest), out)) return std::nullopt;
    take_word(rest);  // the level
  }
  out.event = take_word(rest);
  if (out.event.empty()) return std::nullopt;
  read_fields(rest, out);
  return out;
}

std::string postfix_lines(const LogEvent& event) {
  const std::string& name = event.event;
  if (name == "accepted") return accepted_lines(event);
  if (name == "queued") return queued_lines(event);
  if (name == "delivered") return outcome_line(event, "sent");
  if (name == "deferred") return outcome_line(event, "deferred");
  if (name == "failed" || name == "expired") return outcome_line(event, "bounced");
  if (name == "refused") return refused_line(event);
  if (name == "removed") return line(event, "qmgr", field(event, "id") + ": removed");
  return {};
}

namespace {

// Without what is too long for a line of ours. False: the input has ended.
bool read_line(std::string& line) {
  line.clear();
  bool any = false;
  for (int c = std::getchar(); c != EOF; c = std::getchar()) {
    any = true;
    if (c == '\n') return true;
    if (line.size() <= kLineMax) line += static_cast<char>(c);
  }
  return any;
}

}  // namespace

int postfix_log_command() {
  std::string text;
  while (read_line(text))
    if (std::optional<LogEvent> event = parse_log_line(text))
      fmt::print("{}", postfix_lines(*event));
  return kExitOk;
}

}  // namespace postwain::tool
