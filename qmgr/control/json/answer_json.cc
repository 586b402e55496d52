#include "qmgr/control/json/answer_json.h"

#include <nlohmann/json.hpp>

#include "common/base/text.h"

#include "qmgr/control/json/json_text.h"

namespace postwain::qmgr {

namespace {

using Json = nlohmann::ordered_json;

}  // namespace

std::string json_error(const std::string& text) {
  return write_json(Json{{"error", text}});
}

std::string json_ok() {
  return write_json(Json{{"ok", true}});
}

std::string json_content(std::string_view bytes) {
  return Json{{"data", base64_encode(bytes)}}.dump();
}

std::string json_not_shown(std::size_t count) {
  return write_json(Json{{"not_shown", count}});
}

}  // namespace postwain::qmgr
