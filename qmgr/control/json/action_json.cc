#include "qmgr/control/json/action_json.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/base/text.h"

#include "qmgr/control/json/json_text.h"

namespace postwain::qmgr {

namespace {

using Json = nlohmann::ordered_json;
// What is read: a member is found by its name among any number of others, and not one after the
// other: an answer that consists of nothing but members would keep the loop for half a minute.
using ReadJson = nlohmann::json;

constexpr std::size_t kWhoMax = 256;
constexpr std::uint64_t kCountMax = 1'000'000'000;  // beyond any node's queue

Error not_ours(const char* what) {
  return Error{std::string("another node's ") + what + " is not of the form that it should have",
               kExitProtocol};
}

std::optional<std::string> text_in(const ReadJson& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

std::optional<std::size_t> count_in(const ReadJson& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  const auto value = found->get<std::uint64_t>();
  return value <= kCountMax ? std::optional(static_cast<std::size_t>(value)) : std::nullopt;
}

Json list_of(const std::vector<mail::QueueId>& ids) {
  Json out = Json::array();
  for (mail::QueueId id : ids) out.push_back(id.text());
  return out;
}

std::optional<std::vector<mail::QueueId>> ids_in(const ReadJson& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end() || !found->is_array() || found->size() > kOrderMessages)
    return std::nullopt;
  std::vector<mail::QueueId> ids;
  for (const ReadJson& one : *found) {
    auto id = one.is_string() ? mail::QueueId::parse(one.get<std::string>()) : std::nullopt;
    if (!id) return std::nullopt;
    ids.push_back(*id);
  }
  return ids;
}

bool read_hindered(const ReadJson& object, std::map<std::string, std::size_t>& out) {
  auto found = object.find("not_tried");
  if (found == object.end() || !found->is_array() || found->size() > kOrderReasons) return false;
  for (const ReadJson& one : *found) {
    if (!one.is_object()) return false;
    auto why = text_in(one, "why");
    auto recipients = count_in(one, "recipients");
    if (!why || !recipients) return false;
    std::size_t& sum = out[printable(*why, kJsonTextMax)];
    sum = std::min(sum + *recipients, static_cast<std::size_t>(kCountMax));
  }
  return true;
}

}  // namespace

std::string json_order(const ActionOrder& order) {
  return Json{{"command", order.command}, {"who", order.who}, {"ids", list_of(order.ids)}}.dump(
      -1, ' ', false, Json::error_handler_t::replace);
}

Result<ActionOrder> parse_order(const std::string& json) {
  ReadJson object = ReadJson::parse(json, nullptr, false);
  if (!object.is_object()) return not_ours("order");
  auto command = text_in(object, "command");
  auto who = text_in(object, "who");
  auto ids = ids_in(object, "ids");
  if (!command || !who || !ids) return not_ours("order");
  // Walks go through them in their order, each once.
  std::sort(ids->begin(), ids->end());
  ids->erase(std::unique(ids->begin(), ids->end()), ids->end());
  return ActionOrder{*std::move(command), printable(*who, kWhoMax), *std::move(ids)};
}

std::string json_result(const ActionResult& result) {
  Json out{{"matched", result.acted.matched},
           {"changed", result.acted.changed},
           {"recipients", result.acted.recipients},
           {"recipients_changed", result.acted.recipients_changed},
           {"not_tried", Json::array()},
           {"elsewhere", list_of(result.elsewhere)}};
  for (const auto& [why, recipients] : result.hindered)
    out["not_tried"].push_back({{"recipients", recipients}, {"why", why}});
  return write_json(std::move(out));
}

Result<ActionResult> parse_result(const std::string& json) {
  ReadJson object = ReadJson::parse(json, nullptr, false);
  if (!object.is_object()) return not_ours("answer");
  auto matched = count_in(object, "matched");
  auto changed = count_in(object, "changed");
  auto recipients = count_in(object, "recipients");
  auto recipients_changed = count_in(object, "recipients_changed");
  auto elsewhere = ids_in(object, "elsewhere");
  ActionResult result;
  if (!matched || !changed || !recipients || !recipients_changed || !elsewhere ||
      !read_hindered(object, result.hindered))
    return not_ours("answer");
  result.acted = {*matched, *changed, *recipients, *recipients_changed};
  result.elsewhere = *std::move(elsewhere);
  return result;
}

}  // namespace postwain::qmgr
