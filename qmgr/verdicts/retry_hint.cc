#include "qmgr/verdicts/retry_hint.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/text.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kDigitsMax = 7;
constexpr std::size_t kWordsBefore = 4;  // how far the asking word may be from the number

// "1,800" is one number: a comma stands between a digit and exactly three of them.
bool is_grouping(std::string_view text, std::size_t i) {
  if (text[i] != ',' || i == 0 || !is_digit(text[i - 1]) || text.size() < i + 4) return false;
  bool three = is_digit(text[i + 1]) && is_digit(text[i + 2]) && is_digit(text[i + 3]);
  return three && (text.size() == i + 4 || !is_digit(text[i + 4]));
}

bool is_within_number(std::string_view text, std::size_t i) {
  return text[i] == ':' || text[i] == '.' || is_grouping(text, i);
}

// Words, numbers and clocks ("00:04:59"), in lower case; a sentence's end is a word of its own.
std::vector<std::string> words_of(std::string_view text) {
  std::string lower = to_lower(text.substr(0, kHintTextMax));
  std::vector<std::string> words;
  for (std::size_t i = 0; i < lower.size();) {
    std::size_t start = i;
    if (is_digit(lower[i])) {
      while (i < lower.size() && (is_digit(lower[i]) || is_within_number(lower, i))) ++i;
      while (!is_digit(lower[i - 1])) --i;
    } else if (is_alpha(lower[i])) {
      while (i < lower.size() && is_alpha(lower[i])) ++i;
    } else {
      if (lower[i] == '.' || lower[i] == ';' || lower[i] == '\n') words.emplace_back(".");
      ++i;
      continue;
    }
    words.push_back(lower.substr(start, i - start));
    // Whatever number "1,80" may be, it is not the one behind the comma.
    bool unclear =
        is_digit(lower[start]) && i + 1 < lower.size() && lower[i] == ',' && is_digit(lower[i + 1]);
    if (unclear) {
      words.back() = ".";
      while (i < lower.size() && (is_digit(lower[i]) || lower[i] == ',')) ++i;
    }
    if (is_digit(lower[start])) std::erase(words.back(), ',');
  }
  return words;
}

std::optional<std::int64_t> number(std::string_view word) {
  if (word.empty() || word.size() > kDigitsMax || !std::all_of(word.begin(), word.end(), is_digit))
    return std::nullopt;
  std::int64_t value = 0;
  for (char c : word) value = value * 10 + (c - '0');
  return value;
}

std::int64_t seconds_of_unit(std::string_view unit) {
  if (unit == "s" || unit == "sec" || unit == "secs" || unit == "second" || unit == "seconds")
    return 1;
  if (unit == "m" || unit == "min" || unit == "mins" || unit == "minute" || unit == "minutes")
    return 60;
  if (unit == "h" || unit == "hr" || unit == "hrs" || unit == "hour" || unit == "hours")
    return 3600;
  if (unit == "d" || unit == "day" || unit == "days") return 86400;
  return 0;
}

// "04:59", "00:04:59".
std::optional<std::int64_t> clock(std::string_view word) {
  std::int64_t seconds = 0;
  std::size_t parts = 0;
  for (std::size_t start = 0; start <= word.size(); ++parts) {
    std::size_t end = std::min(word.find(':', start), word.size());
    std::string_view part = word.substr(start, end - start);
    auto value = number(part);
    if (!value || part.size() > 2 || (parts > 0 && *value > 59)) return std::nullopt;
    seconds = seconds * 60 + *value;
    start = end + 1;
  }
  if (parts < 2 || parts > 3) return std::nullopt;
  return seconds;
}

bool asks_to_come_back(const std::vector<std::string>& words, std::size_t before) {
  static constexpr std::array<std::string_view, 7> kAsking = {"again", "retry",  "retrying", "back",
                                                              "wait",  "resend", "later"};
  for (std::size_t i = before; i > 0 && before - i < kWordsBefore; --i) {
    const std::string& word = words[i - 1];
    if (word == ".") return false;
    if (std::find(kAsking.begin(), kAsking.end(), word) != kAsking.end()) return true;
  }
  return false;
}

// The duration that begins at words[i]: "5 minutes 30 seconds", "5 min and 30 sec", "300s".
std::int64_t duration_at(const std::vector<std::string>& words, std::size_t i) {
  std::int64_t total = 0;
  while (i + 1 < words.size()) {
    auto value = number(words[i]);
    std::int64_t unit = seconds_of_unit(words[i + 1]);
    if (!value || unit == 0) break;
    total += *value * unit;
    i += 2;
    if (i < words.size() && words[i] == "and") ++i;
  }
  return total;
}

bool contains(const std::string& text, std::string_view what) {
  return text.find(what) != std::string::npos;
}

}  // namespace

std::optional<Duration> retry_hint(std::string_view text) {
  std::vector<std::string> words = words_of(text);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!is_digit(words[i][0]) || !asks_to_come_back(words, i)) continue;
    std::int64_t seconds = duration_at(words, i);
    if (seconds == 0) seconds = clock(words[i]).value_or(0);
    if (seconds > 0) return std::chrono::seconds(seconds);
  }
  return std::nullopt;
}

bool is_greylisting(const mail::Reply& reply) {
  if (reply.code < 400 || reply.code > 499) return false;
  std::string text = to_lower(std::string_view(reply.text).substr(0, kHintTextMax));
  for (std::string_view name :
       {"greylist", "graylist", "grey-list", "gray-list", "grey list", "gray list"})
    if (contains(text, name)) return true;
  bool policy =
      (reply.code == 450 || reply.code == 451) && reply.enhanced == mail::EnhancedCode{4, 7, 1};
  return policy && (contains(text, "try again") || contains(text, "retry") ||
                    contains(text, "come back") || contains(text, "try later"));
}

}  // namespace postwain::qmgr
