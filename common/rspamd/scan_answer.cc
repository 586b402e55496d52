#include "common/rspamd/scan_answer.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

namespace postwain::rspamd {

namespace {

using nlohmann::json;

constexpr double kThousandthsMax = 1'000'000'000;
constexpr std::size_t kAddressMax = 512;
constexpr std::size_t kFieldValueMax = 32U << 10;
constexpr int kDepthMax = 32;  // of objects in objects

struct Word {
  std::string_view text;
  ScanAction action;
};
constexpr Word kActions[] = {
    {"no action", ScanAction::none},
    {"greylist", ScanAction::none},
    {"accept", ScanAction::none},
    {"add header", ScanAction::add_header},
    {"rewrite subject", ScanAction::rewrite_subject},
    {"soft reject", ScanAction::soft_reject},
    {"reject", ScanAction::reject},
    {"quarantine", ScanAction::quarantine},
    {"discard", ScanAction::discard},
};

std::optional<ScanAction> action_of(std::string_view text) {
  for (const Word& word : kActions)
    if (word.text == text) return word.action;
  return std::nullopt;
}

std::int32_t thousandths(const json& value) {
  double number = value.is_number() ? value.get<double>() * 1000 : 0;
  if (!std::isfinite(number)) return 0;
  return static_cast<std::int32_t>(
      std::lround(std::clamp(number, -kThousandthsMax, kThousandthsMax)));
}

const json& member(const json& object, const char* name) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

// In one line.
std::string text_of(const json& value, std::size_t most = kScanTextMax) {
  if (!value.is_string()) return {};
  std::string out;
  for (char c : std::string_view(value.get_ref<const std::string&>()).substr(0, most)) {
    auto octet = static_cast<unsigned char>(c);
    out += octet < ' ' || octet == 0x7f ? ' ' : c;
  }
  return out;
}

bool is_field_name(std::string_view name) {
  return !name.empty() && name.size() <= 200 && std::all_of(name.begin(), name.end(), [](char c) {
    return c > ' ' && static_cast<unsigned char>(c) < 0x7f && c != ':';
  });
}

std::string address_of(const json& value) {
  std::string out = text_of(value, kAddressMax + 1);
  return out.size() > kAddressMax ? std::string() : out;
}

void read_symbols(const json& symbols, ScanAnswer& out) {
  if (!symbols.is_object()) return;
  for (const auto& [name, symbol] : symbols.items())
    out.symbols.push_back({name.substr(0, kSymbolNameMax), thousandths(member(symbol, "score"))});
  auto weightier = [](const ScanAnswer::Symbol& a, const ScanAnswer::Symbol& b) {
    int weight_a = std::abs(a.thousandths);
    int weight_b = std::abs(b.thousandths);
    return weight_a != weight_b ? weight_a > weight_b : a.name < b.name;
  };
  std::size_t kept = std::min(out.symbols.size(), kSymbolsKept);
  std::partial_sort(out.symbols.begin(), out.symbols.begin() + static_cast<std::ptrdiff_t>(kept),
                    out.symbols.end(), weightier);
  out.symbols.resize(kept);
}

// A text, an object with value and order, or a list of those.
void read_added(const std::string& name, const json& given, ScanAnswer& out) {
  if (given.is_array()) {
    for (const json& one : given)
      if (!one.is_array()) read_added(name, one, out);
    return;
  }
  const json& value = given.is_object() ? member(given, "value") : given;
  if (!value.is_string() || !is_field_name(name) || out.added.size() >= kFieldsMax) return;
  ScanAnswer::Field field{name, value.get<std::string>().substr(0, kFieldValueMax)};
  const json& order = member(given, "order");
  if (order.is_number_integer() && order.get<std::int64_t>() >= 0)
    field.order =
        static_cast<std::uint32_t>(std::min<std::int64_t>(order.get<std::int64_t>(), 10'000));
  out.added.push_back(std::move(field));
}

void read_removed(const std::string& name, const json& given, ScanAnswer& out) {
  if (given.is_array()) {
    for (const json& one : given)
      if (!one.is_array()) read_removed(name, one, out);
    return;
  }
  if (!given.is_number_integer() || !is_field_name(name) || out.removed.size() >= kFieldsMax)
    return;
  auto index = std::clamp<std::int64_t>(given.get<std::int64_t>(), -10'000, 10'000);
  out.removed.push_back({name, static_cast<std::int32_t>(index)});
}

void read_recipients(const json& given, std::vector<std::string>& out) {
  if (!given.is_array()) return;
  for (const json& one : given)
    if (std::string address = address_of(one); !address.empty() && out.size() < kFieldsMax)
      out.push_back(std::move(address));
}

void read_changes(const json& changes, ScanAnswer& out) {
  const json& added = member(changes, "add_headers");
  if (added.is_object())
    for (const auto& [name, value] : added.items()) read_added(name, value, out);
  const json& removed = member(changes, "remove_headers");
  if (removed.is_object())
    for (const auto& [name, value] : removed.items()) read_removed(name, value, out);
  read_recipients(member(changes, "add_rcpt"), out.recipients_added);
  read_recipients(member(changes, "del_rcpt"), out.recipients_removed);
  if (std::string sender = address_of(member(changes, "change_from")); !sender.empty())
    out.sender = std::move(sender);
  std::string instead = text_of(member(changes, "reject"));
  if (out.action != ScanAction::reject) return;
  if (instead == "discard") out.action = ScanAction::discard;
  if (instead == "quarantine") out.action = ScanAction::quarantine;
}

}  // namespace

std::string_view name_of(ScanAction action) {
  constexpr std::string_view kWords[] = {"no action",   "add header", "rewrite subject",
                                         "soft reject", "reject",     "quarantine",
                                         "discard"};
  return kWords[static_cast<std::size_t>(action)];
}

std::optional<ScanAnswer> read_scan_answer(std::string_view text) {
  auto not_too_deep = [](int depth, json::parse_event_t, json&) { return depth <= kDepthMax; };
  json answer = json::parse(text, not_too_deep, false);
  if (!answer.is_object()) return std::nullopt;
  ScanAnswer out;
  const json& skipped = member(answer, "is_skipped");
  out.skipped = skipped.is_boolean() && skipped.get<bool>();
  std::optional<ScanAction> action = action_of(text_of(member(answer, "action")));
  if (!action) return std::nullopt;
  out.action = *action;
  out.score = thousandths(member(answer, "score"));
  out.score_limit = thousandths(member(answer, "required_score"));
  out.subject = text_of(member(answer, "subject"), kFieldValueMax);
  out.message = text_of(member(member(answer, "messages"), "smtp_message"));
  read_symbols(member(answer, "symbols"), out);
  read_changes(member(answer, "milter"), out);
  read_added("DKIM-Signature", member(answer, "dkim-signature"), out);
  return out;
}

}  // namespace postwain::rspamd
