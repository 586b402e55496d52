#include "qmgr/list_filter.h"

#include <algorithm>
#include <array>

#include "common/base/text.h"

namespace postwain::qmgr {

namespace {

constexpr std::array kStates = {ShownState::queued, ShownState::deferred, ShownState::held,
                                ShownState::active};

bool domain_matches(std::string_view pattern, const std::string& domain_key) {
  std::string wanted = mail::domain_key(pattern);
  if (wanted.empty() || wanted.front() != '.') return domain_key == wanted;
  return domain_key.size() > wanted.size() &&
         domain_key.compare(domain_key.size() - wanted.size(), wanted.size(), wanted) == 0;
}

bool address_matches(std::string_view pattern, const mail::Address& address) {
  if (pattern == "<>") return address.is_null();
  if (pattern.front() == '@') return domain_matches(pattern.substr(1), address.domain_key());
  return iequals(pattern, address.text());
}

}  // namespace

std::string_view name_of(ShownState state) {
  switch (state) {
    case ShownState::queued:
      return "queued";
    case ShownState::deferred:
      return "deferred";
    case ShownState::held:
      return "held";
    case ShownState::active:
      return "active";
  }
  return "?";
}

std::optional<ShownState> parse_shown_state(std::string_view text) {
  for (ShownState state : kStates)
    if (text == name_of(state)) return state;
  return std::nullopt;
}

ShownState shown_state(const StoredRecipient& recipient, bool active) {
  if (active) return ShownState::active;
  if (recipient.state == RecipientState::held) return ShownState::held;
  return recipient.attempts > 0 ? ShownState::deferred : ShownState::queued;
}

bool ListFilter::is_empty() const {
  return !id && !state && domain.empty() && sender.empty() && recipient.empty() && !older;
}

bool ListFilter::matches(const StoredMessage& message, WallTime now) const {
  const MessageInfo& info = message.info;
  if (id && info.id != *id) return false;
  if (older && info.arrival.received_at + *older > now) return false;
  if (!sender.empty() && !address_matches(sender, info.envelope.reverse_path)) return false;
  auto any = [&](auto test) {
    return std::any_of(message.recipients.begin(), message.recipients.end(), test);
  };
  if (!domain.empty() && !any([&](const StoredRecipient& r) {
        return domain_matches(domain, r.recipient.address.domain_key());
      }))
    return false;
  return recipient.empty() || any([&](const StoredRecipient& r) {
           return address_matches(recipient, r.recipient.address);
         });
}

std::optional<Duration> parse_duration(std::string_view text) {
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) ++digits;
  auto number = parse_decimal<std::int64_t>(text.substr(0, digits));
  if (!number || *number > 1'000'000'000) return std::nullopt;
  std::string_view unit = text.substr(digits);
  if (unit == "ms") return Duration(*number);
  if (unit == "s") return std::chrono::seconds(*number);
  if (unit == "m") return std::chrono::minutes(*number);
  if (unit == "h") return std::chrono::hours(*number);
  if (unit == "d") return std::chrono::hours(24 * *number);
  return std::nullopt;
}

}  // namespace postwain::qmgr
