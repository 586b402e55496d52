#include "postwain/commands/judgement_text.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "postwain/client/json_member.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

// 17.2, with the digits that say something.
std::string points(const Json& object, const char* name) {
  return fmt::format("{:g}", std::round(real_member(object, name) * 1000) / 1000);
}

// 554 5.7.1 "Spam", from "554 5.7.1 Spam"; other texts wholly in quotation marks.
std::string reply_text(const std::string& text) {
  std::size_t words = 0;
  auto is_code = [](char c) { return is_digit(c) || c == '.'; };
  while (words < text.size()) {
    std::size_t end = std::min(text.find(' ', words), text.size());
    if (!std::all_of(text.begin() + static_cast<std::ptrdiff_t>(words),
                     text.begin() + static_cast<std::ptrdiff_t>(end), is_code))
      break;
    words = std::min(end + 1, text.size());
  }
  std::string out = text.substr(0, words);
  if (words < text.size()) out += '"' + text.substr(words) + '"';
  return out;
}

std::string score_text(const Json& judgement) {
  if (!judgement.contains("score")) return {};
  std::string out = " score " + points(judgement, "score");
  if (std::string limit = points(judgement, "score_limit"); limit != "0") out += "/" + limit;
  std::string rules;
  for (const Json& one : list_member(judgement, "scores"))
    rules += fmt::format("{}{} {}", rules.empty() ? "" : ", ", text_member(one, "name"),
                         points(one, "score"));
  return rules.empty() ? out : fmt::format("{} ({})", out, rules);
}

std::string edits_text(const Json& judgement) {
  std::int64_t edits = number_member(judgement, "edits");
  std::string out;
  if (edits > 0) {
    out = fmt::format(", {} edit{}", edits, edits == 1 ? "" : "s");
    Json edited = judgement.contains("edited") ? judgement["edited"] : Json::object();
    std::string kinds;
    auto add = [&](const std::string& kind) { kinds += (kinds.empty() ? "" : ", ") + kind; };
    if (std::int64_t headers = number_member(edited, "headers"); headers > 0)
      add(fmt::format("{} of the header", headers));
    if (flag_member(edited, "body")) add("the body");
    if (std::int64_t recipients = number_member(edited, "recipients"); recipients > 0)
      add(fmt::format("{} of the recipients", recipients));
    if (flag_member(edited, "sender")) add("the sender");
    if (!kinds.empty()) out += fmt::format(" ({})", kinds);
  }
  if (std::int64_t refused = number_member(judgement, "not_allowed"); refused > 0)
    out += fmt::format(", {} not allowed", refused);
  return out;
}

std::string line_of(const Json& judgement) {
  std::string name = text_member(judgement, "filter");
  std::string verdict = text_member(judgement, "verdict");
  std::string text = text_member(judgement, "text");
  std::string failure = text_member(judgement, "failure");
  bool watched = text_member(judgement, "mode") == "watch";
  std::string out =
      fmt::format("{} at {}: ", name.empty() ? std::string("no filter") : "filter " + name,
                  text_member(judgement, "stage"));
  if (!failure.empty()) {
    out += fmt::format("failed, {}", failure);
    if (!text.empty()) out += fmt::format(" \"{}\"", text);
    if (!watched) out += fmt::format(", then {}", verdict);
  } else {
    out += verdict;
    if (!text.empty()) out += ' ' + reply_text(text);
    out += score_text(judgement) + edits_text(judgement);
  }
  if (watched) out += ", only watched";
  return out + fmt::format(" {} ms", number_member(judgement, "ms"));
}

}  // namespace

std::string judgement_lines(const Json& message) {
  std::string out;
  for (const Json& one : list_member(message, "judgements"))
    if (one.is_object()) out += "  " + line_of(one) + '\n';
  if (flag_member(message, "judgements_cut"))
    out += "  (what filters said is not shown whole: it was too long to be kept)\n";
  return out;
}

}  // namespace postwain::tool
