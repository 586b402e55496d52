#include "common/authentication/spf/record.h"

#include <algorithm>
#include <utility>

#include "common/authentication/spf/directive.h"
#include "common/authentication/spf/macro.h"
#include "common/base/text.h"

namespace postwain::authentication::spf {

namespace {

constexpr std::string_view kVersion = "v=spf1";
constexpr std::size_t kModifierShownMax = 80;  // octets of a modifier in an error

// The term at or behind the position, which moves behind it; empty at the end.
std::string_view take_term(std::string_view text, std::size_t& position) {
  std::size_t begin = std::min(text.find_first_not_of(' ', position), text.size());
  position = std::min(text.find(' ', begin), text.size());
  return text.substr(begin, position - begin);
}

Error wrong_modifier(std::string_view what, std::string_view term) {
  return {std::string(what) + ": " + printable(term, kModifierShownMax)};
}

// redirect and exp: a domain-spec, and once at most (6).
Status keep_modifier(std::string_view term, std::string_view value, std::string& kept) {
  if (!kept.empty()) return wrong_modifier("a second time", term);
  if (!is_domain_spec(value)) return wrong_modifier("no domain", term);
  kept = value;
  return {};
}

}  // namespace

bool asks_dns(Mechanism mechanism) {
  return mechanism != Mechanism::all && mechanism != Mechanism::ip4 && mechanism != Mechanism::ip6;
}

bool is_record(std::string_view text) {
  if (!istarts_with(text, kVersion)) return false;
  return text.size() == kVersion.size() || text[kVersion.size()] == ' ';
}

Result<Record> Record::read(std::string text) {
  Record record(std::move(text));
  if (Status status = record.check(); !status) return status.error();
  return record;
}

Status Record::check() {
  if (text_.size() > kRecordMax) return Error{"longer than " + std::to_string(kRecordMax)};
  bool visible =
      std::all_of(text_.begin(), text_.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (!visible) return Error{"an octet that is no printable ASCII"};
  std::size_t position = kVersion.size();
  for (;;) {
    std::string_view term = take_term(text_, position);
    if (term.empty()) return {};
    std::size_t equals = modifier_equals(term);
    if (equals != std::string_view::npos) {
      if (Status status = check_modifier(term, equals); !status) return status;
    } else if (auto directive = read_directive(term); !directive) {
      return directive.error();
    }
  }
}

Status Record::check_modifier(std::string_view term, std::size_t equals) {
  std::string_view name = term.substr(0, equals);
  std::string_view value = term.substr(equals + 1);
  if (iequals(name, "redirect")) return keep_modifier(term, value, redirect_);
  if (iequals(name, "exp")) return keep_modifier(term, value, explanation_);
  if (!is_macro_string(value)) return wrong_modifier("no macro string", term);
  return {};
}

std::optional<Directive> Record::next(std::size_t& position) const {
  position = std::max(position, kVersion.size());
  for (;;) {
    std::string_view term = take_term(text_, position);
    if (term.empty()) return std::nullopt;
    if (modifier_equals(term) != std::string_view::npos) continue;
    if (auto directive = read_directive(term)) return *directive;
  }
}

}  // namespace postwain::authentication::spf
