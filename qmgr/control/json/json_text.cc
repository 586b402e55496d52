#include "qmgr/control/json/json_text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace postwain::qmgr {

namespace {

using Json = nlohmann::ordered_json;

void cut_texts(Json& value) {
  if (value.is_string()) {
    auto& text = value.get_ref<std::string&>();
    if (text.size() <= kJsonTextMax) return;
    std::size_t size = text.size();
    text.resize(kJsonTextMax);
    text += fmt::format("... [cut, {} octets in all]", size);
  } else if (value.is_structured()) {
    for (Json& inner : value) cut_texts(inner);
  }
}

void begin(std::vector<std::string>& parts, const Json& head) {
  std::string& part = parts.emplace_back(write_json(head));
  part.pop_back();
  part += head.empty() ? "\"recipients\":[" : ",\"recipients\":[";
}

}  // namespace

std::string write_json(Json value) {
  cut_texts(value);
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<std::string> json_parts(const Json& head, const Json& continued, std::size_t count,
                                    const std::function<Json(std::size_t)>& recipient) {
  std::vector<std::string> parts;
  begin(parts, head);
  bool first = true;
  for (std::size_t i = 0; i < count; ++i) {
    std::string text = write_json(recipient(i));
    if (!first && parts.back().size() + text.size() > kJsonPartMax) {
      parts.back() += "]}";
      begin(parts, continued);
      first = true;
    }
    if (!std::exchange(first, false)) parts.back() += ',';
    parts.back() += text;
  }
  parts.back() += "]}";
  return parts;
}

}  // namespace postwain::qmgr
