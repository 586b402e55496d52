#include "postwain/client/present.h"

#include <algorithm>
#include <cstdlib>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "postwain/client/json_member.h"
#include "postwain/client/list_words.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kReplyShown = 160;

std::string text_of(const Json& value) {
  if (value.is_null()) return "";
  // Replies of strangers end on an operator's terminal.
  if (value.is_string()) return printable(value.get<std::string>(), 2048);
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string member(const Json& object, const char* key) {
  auto found = object.find(key);
  return found == object.end() ? "" : text_of(*found);
}

// The spaces behind it stay outside, so that columns are the same in colour.
std::string painted(const std::string& state, bool colours) {
  if (!colours) return state;
  const char* colour = state == "held"       ? "31"
                       : state == "deferred" ? "33"
                       : state == "active"   ? "32"
                                             : nullptr;
  return colour == nullptr ? state : fmt::format("\033[{}m{}\033[0m", colour, state);
}

std::string recipient_line(const Json& recipient, bool colours) {
  std::string line = fmt::format("    {}", member(recipient, "address"));
  std::string state = member(recipient, "state");
  if (!state.empty()) line += fmt::format("  {}", painted(state, colours));
  std::string attempts = member(recipient, "attempts");
  if (!attempts.empty() && attempts != "0")
    line += fmt::format(", {} attempt{}", attempts, attempts == "1" ? "" : "s");
  if (member(recipient, "in_doubt") == "true") line += ", in doubt: may have arrived";
  std::string next = member(recipient, "next_attempt_at");
  // A held recipient waits for a person, whatever its time.
  if (!next.empty() && state != "held") line += fmt::format(", next {}", readable_time(next));
  line += '\n';
  std::string reply = printable(raw_member(recipient, "last_reply"), kReplyShown);
  std::string host = member(recipient, "last_host");
  // What begins with a reply code the other side said; the rest we say ourselves.
  bool theirs = !host.empty() && reply.size() > 3 && reply[3] == ' ' &&
                std::all_of(reply.begin(), reply.begin() + 3, is_digit);
  if (!reply.empty())
    line += fmt::format("        {}{}{}\n", theirs ? host : "", theirs ? " said: " : "", reply);
  if (std::string why = member(recipient, "waiting_reason"); !why.empty())
    line += fmt::format("        waits: {}\n", why);
  return line;
}

std::string sender_of(const Json& message) {
  std::string sender = member(message, "sender");
  return sender.empty() ? "<> (bounce)" : sender;
}

void append_table(std::string& out, const std::string& indent, const Json& rows) {
  std::vector<std::string> keys;
  for (const Json& row : rows)
    for (const auto& [key, value] : row.items())
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  std::vector<std::size_t> widths;
  for (const std::string& key : keys) {
    std::size_t width = key.size();
    for (const Json& row : rows) width = std::max(width, member(row, key.c_str()).size());
    widths.push_back(width);
  }
  auto append_row = [&](auto cell) {
    std::string line = indent;
    for (std::size_t i = 0; i < keys.size(); ++i)
      line += fmt::format("{:<{}}  ", cell(keys[i]), widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  };
  append_row([](const std::string& key) {
    std::string title = key;
    for (char& c : title) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return title;
  });
  for (const Json& row : rows)
    append_row([&row](const std::string& key) { return member(row, key.c_str()); });
}

bool is_table(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::all_of(value.begin(), value.end(), [](const Json& row) { return row.is_object(); });
}

void flatten(const std::string& prefix, const Json& value,
             std::vector<std::pair<std::string, const Json*>>& out) {
  if (!value.is_object()) return out.emplace_back(prefix, &value), void();
  for (const auto& [key, inner] : value.items())
    flatten(prefix.empty() ? key : prefix + "." + key, inner, out);
}

std::string lines_of(const Json& value) {
  std::vector<std::pair<std::string, const Json*>> flat;
  flatten("", value, flat);
  std::erase_if(flat, [](const auto& pair) { return text_of(*pair.second).empty(); });
  std::size_t width = 0;
  for (const auto& [key, inner] : flat)
    if (!is_table(*inner)) width = std::max(width, key.size());
  std::string out;
  for (const auto& [key, inner] : flat) {
    if (is_table(*inner)) {
      out += fmt::format("{}:\n", key);
      append_table(out, "    ", *inner);
    } else {
      out += fmt::format("{:<{}}  {}\n", key, width, text_of(*inner));
    }
  }
  return out;
}

}  // namespace

std::string human_size(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (value /= 1024; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

bool wants_colours() {
  const char* no_colour = std::getenv("NO_COLOR");
  return ::isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == 0);
}

// Where nodes share the queue, the one that has the message stands in front of its sender.
std::string message_line(const std::string& json, bool with_header, bool colours) {
  Json message = parse_answer(json);
  if (message.empty()) return printable(json, kMemberShown) + "\n";
  std::string out;
  constexpr const char* kRow = "{:<13}  {:>9}  {:<20}  {:<9}  {}{}\n";
  const bool has_node = message.contains("node");
  auto node_column = [&](const std::string& text) {
    return has_node ? fmt::format("{:<12}  ", text) : std::string();
  };
  if (with_header)
    out += fmt::format(kRow, "ID", "SIZE", "RECEIVED", "STATE", node_column("NODE"), "SENDER");
  if (message.contains("continued")) {
    for (const Json& recipient : list_member(message, "recipients"))
      out += recipient_line(recipient, colours);
    return out;
  }
  auto size = static_cast<std::uint64_t>(std::max<std::int64_t>(0, number_member(message, "size")));
  std::string state = member(message, "state");
  std::string row = fmt::format(kRow, member(message, "id"), human_size(size),
                                readable_time(member(message, "received_at")), state,
                                node_column(member(message, "node")), sender_of(message));
  // Behind id, size and time, whose widths are fixed.
  std::size_t at = row.find(state, 48);
  if (colours && !state.empty() && at != std::string::npos)
    row.replace(at, state.size(), painted(state, true));
  out += row;
  for (const Json& recipient : list_member(message, "recipients"))
    out += recipient_line(recipient, colours);
  return out;
}

std::string message_details(const std::string& json) {
  Json message = parse_answer(json);
  if (message.contains("messages")) {
    std::string out;
    for (const Json& each : list_member(message, "messages"))
      if (each.is_object() && !each.contains("messages")) out += message_details(each.dump());
    return out;
  }
  if (message.empty()) return printable(json, kMemberShown) + "\n";
  Json recipients = list_member(message, "recipients");
  message.erase("recipients");
  if (member(message, "sender").empty()) message["sender"] = "<>";
  std::string out = lines_of(message);
  for (const Json& recipient : recipients) {
    out += fmt::format("\nrecipient {}\n", member(recipient, "address"));
    if (!recipient.is_object()) continue;
    Json rest = recipient;
    rest.erase("address");
    std::string lines = lines_of(rest);
    for (std::string_view line : split(lines, '\n'))
      if (!line.empty()) out += fmt::format("    {}\n", line);
  }
  return out + "\n";
}

namespace {

// "12 accept, 3 refuse": members that are not 0.
std::string counts_text(const Json& counts) {
  std::string out;
  if (!counts.is_object()) return out;
  for (const auto& [name, number] : counts.items())
    if (std::int64_t count = number_member(counts, name.c_str()); count > 0)
      out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, printable(name, 40));
  return out;
}

std::string filter_line(const Json& filter) {
  auto part = [&](const char* name) {
    return filter.is_object() && filter.contains(name) ? filter[name] : Json::object();
  };
  std::string out = fmt::format("filter {}: {}, breaker {}", text_member(filter, "name"),
                                text_member(filter, "mode"), text_member(filter, "breaker"));
  if (std::string since = readable_time(text_member(filter, "breaker_since")); !since.empty())
    out += " since " + since;
  std::string verdicts = counts_text(part("verdicts"));
  out += verdicts.empty() ? "; nothing judged" : "; " + verdicts;
  if (std::string failures = counts_text(part("failures")); !failures.empty())
    out += "; failures: " + failures;
  Json last = part("last_failure");
  if (std::string time = readable_time(text_member(last, "time")); !time.empty())
    out += fmt::format("; the last at {}, {}: {}", time, text_member(last, "kind"),
                       text_member(last, "text"));
  return out + '\n';
}

// "DNS list zen: believed since 2026-11-30 05:00:00Z, next test at …; 12 listed, 300 not_listed"
std::string dns_list_line(const Json& list) {
  std::string out = fmt::format("DNS list {}: {}", text_member(list, "label"),
                                list_words(raw_member(list, "state")));
  if (std::string since = readable_time(text_member(list, "since")); !since.empty())
    out += " since " + since;
  if (flag_member(list, "testing")) out += ", being tested";
  if (std::string next = readable_time(text_member(list, "next_test")); !next.empty())
    out += ", next test at " + next;
  std::string answers = list.contains("answers") ? counts_text(list["answers"]) : std::string();
  return out + (answers.empty() ? "; nothing answered\n" : "; " + answers + '\n');
}

// What `status` says of filters; nothing where none is configured.
std::string filter_lines(const Json& status) {
  std::string out;
  Json process = status.contains("filter_process") ? status["filter_process"] : Json();
  if (process.is_object() && !flag_member(process, "connected"))
    out += "filter process not connected\n";
  for (const Json& one : list_member(status, "filters"))
    if (one.is_object()) out += filter_line(one);
  for (const Json& one : list_member(status, "dns_lists"))
    if (one.is_object()) out += dns_list_line(one);
  return out;
}

std::string signer_line(const Json& status) {
  Json process = status.contains("signer") ? status["signer"] : Json();
  bool away = process.is_object() && !flag_member(process, "connected");
  return away ? "signer not connected: mail that is to be signed waits\n" : std::string();
}

// Where the queue lies.
std::string place_of(const Json& queue) {
  std::string store = text_member(queue, "store");
  if (store.empty()) return {};
  return store == "sqlite" ? ", in files of this machine" : ", in " + store;
}

// Of a queue that several machines share, how this one stands.
std::string cluster_line(const Json& status) {
  Json cluster = status.contains("cluster") ? status["cluster"] : Json();
  std::string standing = text_member(cluster, "standing");
  if (standing.empty()) return {};
  return fmt::format("cluster: node {} is {}, its word {:.1f} s old; {}\n",
                     text_member(cluster, "node"), standing,
                     static_cast<double>(number_member(cluster, "word_age_ms")) / 1000,
                     text_member(cluster, "worth_words"));
}

}  // namespace

std::string status_lines(const std::string& json) {
  Json status = parse_answer(json);
  if (status.empty()) return printable(json, kMemberShown) + "\n";
  std::string out =
      fmt::format("postwain {} is {}\n", member(status, "version"), member(status, "state"));
  Json queue = status.contains("queue") ? status["queue"] : Json::object();
  if (queue.contains("messages"))
    out += fmt::format("queue: {} messages, {} recipients{}\n", member(queue, "messages"),
                       member(queue, "recipients"), place_of(queue));
  out += cluster_line(status);
  for (const Json& one : list_member(status, "certificates"))
    out += fmt::format("certificate {}: {} days left, until {}\n", member(one, "file"),
                       member(one, "days_left"), member(one, "not_after"));
  for (const std::string& one : texts_member(status, "trouble"))
    out += fmt::format("trouble: {}\n", printable(one, kMemberShown));
  out += filter_lines(status);
  out += signer_line(status);
  Json processes = list_member(status, "processes");
  for (const char* key : {"version", "state", "queue", "processes", "certificates", "trouble",
                          "filters", "filter_process", "dns_lists", "signer", "cluster"})
    status.erase(key);
  if (!status.empty()) out += lines_of(status);
  if (is_table(processes)) {
    out += '\n';
    append_table(out, "", processes);
  }
  return out;
}

std::string value_lines(const std::string& json) {
  Json value = parse_answer(json);
  if (value.empty()) return printable(json, kMemberShown) + "\n";
  std::string out;
  if (is_table(value))
    append_table(out, "", value);
  else
    out = lines_of(value);
  return out;
}

}  // namespace postwain::tool
