#include "postwain/commands/trace_command.h"

#include <arpa/inet.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/base/time.h"
#include "postwain/client/control_client.h"
#include "postwain/client/json_member.h"
#include "postwain/client/operator_request.h"
#include "postwain/client/present.h"
#include "postwain/commands/judgement_text.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

void append_line(std::string& out, const std::string& title, const std::string& text) {
  if (!text.empty()) out += fmt::format("                            {} {}\n", title, text);
}

std::string host_of(const Json& event) {
  std::string host = text_member(event, "host");
  std::string address = text_member(event, "address");
  if (host.empty() || address.empty() || host == address) return host.empty() ? address : host;
  return fmt::format("{} [{}]", host, address);
}

// "connect 12ms, final_reply 205ms": where the time of an attempt went.
std::string stages_of(const Json& event) {
  auto stages = event.find("stages_ms");
  std::string out;
  if (stages == event.end() || !stages->is_object()) return out;
  constexpr std::int64_t kLongestStage = 1'000'000'000;  // ms
  for (const auto& [name, ms] : stages->items())
    if (std::int64_t took = number_member(*stages, name.c_str()); took > 0 && took < kLongestStage)
      out += fmt::format("{}{} {}", out.empty() ? "" : ", ", printable(name, 40),
                         format_duration(Duration(took)));
  return out;
}

// "s2026a._domainkey.example.org (rsa-sha256)", …
std::string keys_of(const Json& signing) {
  std::string out;
  for (const Json& one : list_member(signing, "signatures"))
    out += fmt::format("{}{}._domainkey.{} ({})", out.empty() ? "" : ", ",
                       text_member(one, "selector"), text_member(one, "domain"),
                       text_member(one, "algorithm"));
  return out;
}

std::string signing_of(const Json& event) {
  auto signing = event.find("signing");
  if (signing == event.end() || !signing->is_object()) return {};
  const std::string result = text_member(*signing, "result");
  if (result == "signed") return "by " + keys_of(*signing);
  if (result == "sealed")
    return fmt::format("sealed by ARC, i={}, by {}", number_member(*signing, "instance"),
                       keys_of(*signing));
  if (result == "no_key") return "no: no key is meant for its author";
  if (result == "broken_chain") return "not sealed: its ARC chain fails";
  if (result == "unfit") return "no: it cannot be signed, and the log says why";
  return result == "put_off" ? "not yet: the signer was away" : result;
}

// The particulars of an event, on lines of their own.
void append_event(std::string& out, const Json& event) {
  std::string name = text_member(event, "event");
  out += fmt::format("  {:<24}  {}", readable_time(text_member(event, "time")), name);
  if (name == "expanded") out += " from " + text_member(event, "given");
  if (name == "routed") out += " to " + text_member(event, "destination");
  if (name == "bounced" || name == "warned" || name == "reported")
    out += fmt::format(" to {}, message {}", text_member(event, "why"), text_member(event, "id"));
  const std::string who = text_member(event, "who");
  if (!who.empty()) out += " by " + who;
  std::string stage = text_member(event, "stage");
  if (name != "delivered" && !stage.empty() && stage != "local") out += " at stage " + stage;
  auto took = event.find("took_ms");
  if (took != event.end() && took->is_number_integer())
    out += ", took " + format_duration(Duration(took->get<std::int64_t>()));
  // An order may have been given on another node than the one that has carried it out.
  if (std::string node = text_member(event, "node"); !node.empty())
    out += (who.empty() ? ", at node " : ", carried out by node ") + node;
  if (flag_member(event, "in_doubt")) out += ", IN DOUBT: may have arrived";
  out += '\n';
  append_line(out, "host ", host_of(event));
  append_line(out, "tls  ", text_member(event, "tls"));
  append_line(out, "sign ", signing_of(event));
  append_line(out, "time ", stages_of(event));
  append_line(out, "reply", text_member(event, "reply"));
  bool told = name == "bounced" || name == "warned" || name == "reported";
  std::string next = readable_time(text_member(event, "next_attempt_at"));
  std::string why = told ? std::string() : text_member(event, "why");
  if (!next.empty())
    append_line(out, "next ", why.empty() ? next : fmt::format("{}: {}", next, why));
  else
    append_line(out, "why  ", why);
}

std::string arrival_text(const Json& message) {
  std::string from = text_member(message, "client_address");
  std::string name = text_member(message, "client_name");
  if (from.empty()) from = "this machine";
  if (!name.empty()) from += fmt::format(" ({})", name);
  std::string text =
      fmt::format("{} from {}", readable_time(text_member(message, "received_at")), from);
  if (std::string protocol = text_member(message, "protocol"); !protocol.empty())
    text += " by " + protocol;
  if (std::string account = text_member(message, "account"); !account.empty())
    text += ", account " + account;
  if (message.contains("uid") && number_member(message, "uid") >= 0)
    text += fmt::format(", uid {}", number_member(message, "uid"));
  if (std::string node = text_member(message, "node"); !node.empty()) text += ", at node " + node;
  if (flag_member(message, "require_tls")) text += ", REQUIRETLS";
  if (flag_member(message, "tls_required_no")) text += ", TLS-Required: No";
  return text;
}

// What was refused has no message: when, whom, what, and why.
std::string refused_text(const Json& refused) {
  std::string client = text_member(refused, "client_address");
  if (client.empty()) client = "this machine";
  if (std::string name = text_member(refused, "client_name"); !name.empty())
    client += fmt::format(" ({})", name);
  std::string out =
      fmt::format("refused {} at stage {}", readable_time(text_member(refused, "refused_at")),
                  text_member(refused, "stage"));
  auto count = refused.find("count");
  if (count != refused.end() && count->is_number_unsigned() && count->get<std::uint64_t>() > 1)
    out += fmt::format(", the last of {}", count->get<std::uint64_t>());
  out += fmt::format("\n  client      {} on {}\n", client, text_member(refused, "listener"));
  auto line = [&](const char* title, const char* member) {
    if (std::string text = text_member(refused, member); !text.empty())
      out += fmt::format("  {:<10}  {}\n", title, text);
  };
  line("sender", "sender");
  line("recipient", "recipient");
  line("reply", "reply");
  line("reason", "reason");
  line("node", "node");
  return out + judgement_lines(refused) + "\n";
}

// In the form in which addresses of clients are kept.
std::string plain_ip(const std::string& text) {
  unsigned char bytes[16];
  char out[INET6_ADDRSTRLEN];
  for (int family : {AF_INET, AF_INET6})
    if (inet_pton(family, text.c_str(), bytes) == 1 &&
        inet_ntop(family, bytes, out, sizeof out) != nullptr)
      return out;
  return {};
}

}  // namespace

std::string timeline_text(const std::string& json) {
  Json message = parse_answer(json);
  if (message.empty()) return printable(json, kMemberShown) + "\n";
  if (message.contains("not_shown"))
    return fmt::format("({} more messages are not shown: the answer would be too large)\n",
                       number_member(message, "not_shown"));
  if (message.contains("refused_at")) return refused_text(message);
  std::string sender = text_member(message, "sender");
  bool known = !text_member(message, "received_at").empty();
  std::string out = fmt::format("message {}\n", text_member(message, "id"));
  if (std::string whole = text_member(message, "part_of"); !whole.empty())
    out += fmt::format("  part of     {}\n", whole);
  if (known) {
    out += fmt::format("  received    {}\n", arrival_text(message));
    out += fmt::format("  sender      {}\n", sender.empty() ? "<>" : sender);
    if (std::string given = text_member(message, "given_sender"); !given.empty())
      out += fmt::format("  given as    {}{}\n", given,
                         flag_member(message, "srs") ? ", and rewritten by SRS" : "");
    std::string id = text_member(message, "message_id");
    if (!id.empty()) out += fmt::format("  Message-ID  {}\n", id);
    auto size = message.find("size");
    if (size != message.end() && size->is_number_unsigned())
      out += fmt::format("  size        {}\n", human_size(size->get<std::uint64_t>()));
  } else {
    out += "  how it came in is not known any more\n";
  }
  if (std::string owner = text_member(message, "owner"); !owner.empty())
    out += fmt::format("  queued at   node {}, which knows what is tried at this moment\n", owner);
  out += judgement_lines(message);
  for (const Json& recipient : list_member(message, "recipients")) {
    out += fmt::format("\nrecipient {}: {}", text_member(recipient, "address"),
                       text_member(recipient, "state"));
    std::string next = text_member(recipient, "next_attempt_at");
    if (!next.empty()) out += ", next attempt " + readable_time(next);
    out += '\n';
    if (std::string why = text_member(recipient, "waiting_reason"); !why.empty())
      out += fmt::format("  waits: {}\n", why);
    for (const Json& event : list_member(recipient, "events")) append_event(out, event);
  }
  if (known && !flag_member(message, "complete"))
    out += "\n(there is more than is shown, or than the history knows)\n";
  return out + "\n";
}

int trace_command(const ClientOptions& options, const TraceOptions& trace) {
  auto config = client_config(options.config_file);
  if (!config) return fail(config.error().code, config.error().text);
  if (trace.query.empty() == trace.client.empty())
    return fail(kExitUsage, "trace takes an id or address, or --client with an IP address");
  std::string client = trace.client.empty() ? std::string() : plain_ip(trace.client);
  if (!trace.client.empty() && client.empty())
    return fail(kExitUsage, fmt::format("'{}' is not an IP address", printable(trace.client)));
  using Argument = ipc::CommandArgument;
  OperatorRequest request(ipc::OperatorCommand::trace);
  request.with(Argument::query, trace.query)
      .with(Argument::client, client)
      .with(Argument::limit, trace.limit);
  std::string error;
  auto result = ask(*config, request.text(), [&](const std::string& text) {
    Json reply = parse_answer(text);
    if (reply.contains("error"))
      error = error_member(reply, "refused");
    else if (options.json)
      print_json(text);
    else
      fmt::print("{}", timeline_text(text));
  });
  if (!result) return fail(result.error().code, result.error().text);
  if (*result != kExitOk) return fail(*result, error.empty() ? "qmgr refused the command" : error);
  return kExitOk;
}

}  // namespace postwain::tool
