#include "postwain/trace_command.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/base/time.h"
#include "postwain/control_client.h"
#include "postwain/present.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

// Words of strangers end on an operator's terminal.
std::string member(const Json& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  return printable(found->get<std::string>(), 2048);
}

bool flag(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

// "2026-11-21T09:30:00.123Z" as "2026-11-21 09:30:00.123Z".
std::string readable_time(std::string time) {
  if (time.size() > 10 && time[10] == 'T') time[10] = ' ';
  return time;
}

void append_line(std::string& out, const std::string& title, const std::string& text) {
  if (!text.empty()) out += fmt::format("                            {} {}\n", title, text);
}

std::string host_of(const Json& event) {
  std::string host = member(event, "host");
  std::string address = member(event, "address");
  if (host.empty() || address.empty() || host == address) return host.empty() ? address : host;
  return fmt::format("{} [{}]", host, address);
}

// The particulars of an event, on lines of their own.
void append_event(std::string& out, const Json& event) {
  std::string name = member(event, "event");
  out += fmt::format("  {:<24}  {}", readable_time(member(event, "time")), name);
  if (name == "routed") out += " to " + member(event, "destination");
  if (name == "bounced" || name == "warned" || name == "reported")
    out += fmt::format(" to {}, message {}", member(event, "why"), member(event, "id"));
  if (std::string who = member(event, "who"); !who.empty()) out += " by " + who;
  std::string stage = member(event, "stage");
  if (name != "delivered" && !stage.empty() && stage != "local") out += " at stage " + stage;
  auto took = event.find("took_ms");
  if (took != event.end() && took->is_number_integer())
    out += ", took " + format_duration(Duration(took->get<std::int64_t>()));
  if (flag(event, "in_doubt")) out += ", IN DOUBT: may have arrived";
  out += '\n';
  append_line(out, "host ", host_of(event));
  append_line(out, "tls  ", member(event, "tls"));
  append_line(out, "reply", member(event, "reply"));
  bool told = name == "bounced" || name == "warned" || name == "reported";
  std::string next = readable_time(member(event, "next_attempt_at"));
  std::string why = told ? std::string() : member(event, "why");
  if (!next.empty())
    append_line(out, "next ", why.empty() ? next : fmt::format("{}: {}", next, why));
  else
    append_line(out, "why  ", why);
}

std::string arrival_text(const Json& message) {
  std::string from = member(message, "client_address");
  std::string name = member(message, "client_name");
  if (from.empty()) from = "this machine";
  if (!name.empty()) from += fmt::format(" ({})", name);
  std::string text = fmt::format("{} from {}", readable_time(member(message, "received_at")), from);
  if (std::string protocol = member(message, "protocol"); !protocol.empty())
    text += " by " + protocol;
  if (std::string account = member(message, "account"); !account.empty())
    text += ", account " + account;
  if (message.value("require_tls", false)) text += ", REQUIRETLS";
  if (message.value("tls_required_no", false)) text += ", TLS-Required: No";
  return text;
}

}  // namespace

std::string timeline_text(const std::string& json) {
  Json message = Json::parse(json, nullptr, false);
  if (!message.is_object()) return json + "\n";
  std::string sender = member(message, "sender");
  bool known = !member(message, "received_at").empty();
  std::string out = fmt::format("message {}\n", member(message, "id"));
  if (known) {
    out += fmt::format("  received    {}\n", arrival_text(message));
    out += fmt::format("  sender      {}\n", sender.empty() ? "<>" : sender);
    std::string id = member(message, "message_id");
    if (!id.empty()) out += fmt::format("  Message-ID  {}\n", id);
    auto size = message.find("size");
    if (size != message.end() && size->is_number_unsigned())
      out += fmt::format("  size        {}\n", human_size(size->get<std::uint64_t>()));
  } else {
    out += "  how it came in is not known any more\n";
  }
  for (const Json& recipient : message.value("recipients", Json::array())) {
    out +=
        fmt::format("\nrecipient {}: {}", member(recipient, "address"), member(recipient, "state"));
    std::string next = member(recipient, "next_attempt_at");
    if (!next.empty()) out += ", next attempt " + readable_time(next);
    out += '\n';
    for (const Json& event : recipient.value("events", Json::array())) append_event(out, event);
  }
  if (known && !flag(message, "complete"))
    out += "\n(there is more than is shown, or than the history knows)\n";
  return out + "\n";
}

int trace_command(const ClientOptions& options, const TraceOptions& trace) {
  auto config = client_config(options.config_file);
  if (!config) return fail(config.error().code, config.error().text);
  Json request = {{"command", "trace"}, {"query", trace.query}, {"limit", trace.limit}};
  std::string error;
  auto result =
      ask(config->qmgr_socket(), request.dump(-1, ' ', false, Json::error_handler_t::replace),
          [&](const std::string& text) {
            Json reply = Json::parse(text, nullptr, false);
            if (reply.is_object() && reply.contains("error"))
              error = reply.value("error", "refused");
            else
              fmt::print("{}", options.json ? text + "\n" : timeline_text(text));
          });
  if (!result) return fail(result.error().code, result.error().text);
  if (*result != kExitOk) return fail(*result, error.empty() ? "qmgr refused the command" : error);
  return kExitOk;
}

}  // namespace postwain::tool
