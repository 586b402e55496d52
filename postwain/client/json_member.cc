#include "postwain/client/json_member.h"

#include <cstdio>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/text.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kAnswerDepthMax = 32;

}  // namespace

Json parse_answer(const std::string& text) {
  bool too_deep = false;
  auto watch_depth = [&too_deep](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kAnswerDepthMax;
    return !too_deep;
  };
  Json out = Json::parse(text, watch_depth, false);
  return out.is_object() && !too_deep ? out : Json::object();
}

std::string raw_member(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t number_member(const Json& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return 0;
  if (found->is_number_unsigned() && found->get<std::uint64_t>() > INT64_MAX) return INT64_MAX;
  return found->get<std::int64_t>();
}

double real_member(const Json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

const Json& list_member(const Json& object, const char* key) {
  static const Json kNone = Json::array();
  auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : kNone;
}

std::vector<std::string> texts_member(const Json& object, const char* key) {
  std::vector<std::string> out;
  for (const Json& one : list_member(object, key))
    if (one.is_string()) out.push_back(one.get<std::string>());
  return out;
}

std::string error_member(const Json& object, const char* otherwise) {
  std::string text = text_member(object, "error");
  return text.empty() ? otherwise : text;
}

std::string json_line(const std::string& text, bool terminal) {
  if (!terminal) return text;
  Json value = parse_answer(text);
  if (value.empty()) return printable(text, text.size());
  return value.dump(-1, ' ', true, Json::error_handler_t::replace);
}

void print_json(const std::string& text) {
  fmt::print("{}\n", json_line(text, ::isatty(STDOUT_FILENO) == 1));
}

std::string text_member(const Json& object, const char* key) {
  return printable(raw_member(object, key), kMemberShown);
}

bool flag_member(const nlohmann::ordered_json& object, const char* key) {
  auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

std::string readable_time(std::string time) {
  if (time.size() > 10 && time[10] == 'T') time[10] = ' ';
  return time;
}

}  // namespace postwain::tool
