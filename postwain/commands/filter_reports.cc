#include "postwain/commands/filter_reports.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "postwain/client/json_member.h"
#include "postwain/client/list_words.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLinesCompared = 2000;

std::string words_in(const Json& object, const char* key) {
  std::vector<std::string> words;
  for (const std::string& one : texts_member(object, key)) words.push_back(printable(one));
  return fmt::format("{}", fmt::join(words, ", "));
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
    out.push_back(line);
  }
  return out;
}

std::string check_title(const Json& one) {
  if (one.contains("list")) return "list " + text_member(one, "list");
  return fmt::format("{} at {}", text_member(one, "filter"), text_member(one, "socket"));
}

std::string failed_line(const Json& one) {
  std::string stage = text_member(one, "stage");
  std::string out = "FAILED" + (stage.empty() ? "" : " at " + stage);
  if (one.contains("failure"))
    out += fmt::format(", {}: {}", text_member(one, "failure"), text_member(one, "reason"));
  else if (one.contains("health"))
    out += fmt::format(", it {}, {} ms", list_words(raw_member(one, "health")),
                       number_member(one, "milliseconds"));
  else
    out += ", what it answers cannot be done";
  return out;
}

std::string works_line(const Json& one) {
  std::string out = "works";
  if (one.contains("version")) out += fmt::format(", version {}", number_member(one, "version"));
  if (std::string server = text_member(one, "server"); !server.empty()) out += ", " + server;
  if (one.contains("score"))
    out += fmt::format(", {}, score {:g}/{:g}", text_member(one, "action"),
                       real_member(one, "score"), real_member(one, "score_limit"));
  return out + fmt::format(", {} ms", number_member(one, "milliseconds"));
}

std::string row(const std::string& title, const std::string& words) {
  return fmt::format("  {:<14} {}\n", title, words);
}

// What a policy service said at one stage.
std::string answer_row(const Json& answer) {
  std::string words = text_member(answer, "action");
  if (std::string field = text_member(answer, "field"); !field.empty()) words += ' ' + field + ':';
  for (const char* key : {"reply", "text"})
    if (std::string text = text_member(answer, key); !text.empty()) words += ' ' + text;
  words += fmt::format(", {} ms", number_member(answer, "milliseconds"));
  if (std::string right = text_member(answer, "not_allowed"); !right.empty())
    words += ", which its may does not grant: " + right;
  return row(text_member(answer, "stage"), words);
}

std::string check_rows(const Json& one) {
  constexpr std::pair<const char*, const char*> kRows[] = {{"hears", "hears"},
                                                           {"asks_for", "asks for"},
                                                           {"forbidden", "may not"},
                                                           {"macros_missing", "misses macros"}};
  std::string out;
  for (const auto& [key, title] : kRows)
    if (std::string words = words_in(one, key); !words.empty()) out += row(title, words);
  if (std::string ping = text_member(one, "ping"); !ping.empty() && ping != "pong")
    out += row("ping", ping);
  if (std::int64_t refused = number_member(one, "not_allowed"); refused > 0)
    out += row("not granted", fmt::format("{} of what it asked for", refused));
  for (const Json& answer : list_member(one, "answers")) out += answer_row(answer);
  return out;
}

}  // namespace

// The longest common sequence of lines stays.
std::string line_changes(std::string_view before, std::string_view after) {
  std::vector<std::string_view> a = split_lines(before);
  std::vector<std::string_view> b = split_lines(after);
  if (a.size() > kLinesCompared || b.size() > kLinesCompared)
    return fmt::format("{} lines become {}\n", a.size(), b.size());
  std::vector<std::vector<std::uint16_t>> common(a.size() + 1,
                                                 std::vector<std::uint16_t>(b.size() + 1));
  for (std::size_t i = a.size(); i-- > 0;)
    for (std::size_t j = b.size(); j-- > 0;)
      common[i][j] = a[i] == b[j] ? static_cast<std::uint16_t>(common[i + 1][j + 1] + 1)
                                  : std::max(common[i + 1][j], common[i][j + 1]);
  std::string out;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      out += fmt::format(" {}\n", printable(a[i]));
      ++i;
      ++j;
    } else if (j == b.size() || (i < a.size() && common[i + 1][j] >= common[i][j + 1])) {
      out += fmt::format("-{}\n", printable(a[i++]));
    } else {
      out += fmt::format("+{}\n", printable(b[j++]));
    }
  }
  return out;
}

bool is_all_well(const std::string& report) {
  Json said = parse_answer(report);
  for (const char* kind : {"filters", "dns_lists"})
    for (const Json& one : list_member(said, kind))
      if (raw_member(one, "state") != "works") return false;
  return !said.empty();
}

std::string filter_check_text(const std::string& report) {
  std::string out;
  Json said = parse_answer(report);
  for (const char* kind : {"filters", "dns_lists"})
    for (const Json& one : list_member(said, kind)) {
      bool works = raw_member(one, "state") == "works";
      out += fmt::format("{}: {}\n", check_title(one), works ? works_line(one) : failed_line(one));
      out += check_rows(one);
    }
  return out;
}

std::string filter_test_text(const std::string& report, std::string_view header,
                             std::string_view body) {
  std::string out;
  Json said = parse_answer(report);
  for (const Json& one : list_member(said, "answers"))
    out += fmt::format("{} at {}: {} {}\n", text_member(one, "filter"), text_member(one, "stage"),
                       text_member(one, "verdict"), text_member(one, "reply"));
  for (const Json& one : list_member(said, "judgements")) {
    out += fmt::format("{} at {}: {}{}, {} edits, {} ms", text_member(one, "filter"),
                       text_member(one, "stage"), text_member(one, "verdict"),
                       flag_member(one, "watch") ? " (watch)" : "", number_member(one, "edits"),
                       number_member(one, "milliseconds"));
    if (auto refused = number_member(one, "not_allowed"); refused > 0)
      out += fmt::format(", {} not allowed", refused);
    for (const char* key : {"failure", "text"})
      if (std::string text = text_member(one, key); !text.empty()) out += ": " + text;
    out += '\n';
  }
  std::string verdict = text_member(said, "verdict");
  out += fmt::format("verdict: {} {}\n", verdict.empty() ? "not accepted" : verdict,
                     text_member(said, "reply"));
  if (std::string hold = text_member(said, "hold"); !hold.empty())
    out += fmt::format("held: {}\n", hold);
  if (said.contains("sender")) out += fmt::format("sender: {}\n", text_member(said, "sender"));
  for (const std::string& one : texts_member(said, "recipients_removed"))
    out += fmt::format("recipient: -{}\n", printable(one));
  for (const std::string& one : texts_member(said, "recipients_added"))
    out += fmt::format("recipient: +{}\n", printable(one));
  if (auto changed = base64_decode(raw_member(said, "header")); changed && said.contains("header"))
    out += "header section:\n" + line_changes(header, *changed);
  if (auto changed = base64_decode(raw_member(said, "body")); changed && said.contains("body"))
    out += "body:\n" + line_changes(body, *changed);
  else if (said.contains("body_size"))
    out +=
        fmt::format("body: {} octets become {}\n", body.size(), number_member(said, "body_size"));
  return out;
}

}  // namespace postwain::tool
