#include "postwain/json_member.h"

#include <nlohmann/json.hpp>

#include "common/base/text.h"

namespace postwain::tool {

std::string text_member(const nlohmann::ordered_json& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  return printable(found->get<std::string>(), kMemberShown);
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
