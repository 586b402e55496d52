#include "reporter/sending/json_lines.h"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace postwain::reporter {

using nlohmann::json;

std::string json_line(const json& value) {
  return value.dump(-1, ' ', true, json::error_handler_t::replace) + "\n";
}

std::size_t read_json_lines(std::string_view text, const std::function<bool(const json&)>& read) {
  std::size_t bad = 0;
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    json line = json::parse(text.substr(0, end), nullptr, false);
    text.remove_prefix(std::min(end + 1, text.size()));
    try {
      if (!line.is_object() || !read(line)) ++bad;
    } catch (const json::exception&) {
      ++bad;
    }
  }
  return bad;
}

}  // namespace postwain::reporter
