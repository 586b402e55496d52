#include "qmgr/model/list_filter.h"

#include <algorithm>
#include <array>

#include "common/base/text.h"
#include "common/mail/address_pattern.h"

#include "qmgr/model/held_domains.h"

namespace postwain::qmgr {

namespace {

constexpr std::array kStates = {ShownState::queued, ShownState::deferred, ShownState::held,
                                ShownState::active};

ShownState state_of_row(RecipientState state, std::uint32_t attempts) {
  if (state == RecipientState::held) return ShownState::held;
  return attempts > 0 ? ShownState::deferred : ShownState::queued;
}

std::string_view without_final_dot(std::string_view domain) {
  if (domain.size() > 1 && domain.back() == '.') domain.remove_suffix(1);
  return domain;
}

// Of an address as text; empty for a bare local part.
std::string_view domain_in(std::string_view address) {
  std::size_t at = address.rfind('@');
  if (at == std::string_view::npos) return {};
  return without_final_dot(address.substr(at + 1));
}

// No allocation: this runs for every row of the queue. Equal as mail::domain_key() makes them.
bool domain_matches(std::string_view pattern, std::string_view domain) {
  std::string_view wanted = without_final_dot(pattern);
  if (!is_ascii(wanted) || !is_ascii(domain))  // rare: names in UTF-8 and their A-labels
    return mail::matches_domain(mail::canonical_pattern(wanted), mail::domain_key(domain));
  if (wanted.empty() || wanted.front() != '.') return iequals(domain, wanted);
  return domain.size() > wanted.size() &&
         iequals(domain.substr(domain.size() - wanted.size()), wanted);
}

bool address_matches(std::string_view pattern, std::string_view address) {
  if (pattern == "<>") return address.empty();
  if (pattern.front() == '@') return domain_matches(pattern.substr(1), domain_in(address));
  if (is_ascii(pattern) && is_ascii(address)) return iequals(pattern, address);
  return mail::address_key(pattern) == mail::address_key(address);
}

}  // namespace

bool icontains(std::string_view text, std::string_view words) {
  return std::search(text.begin(), text.end(), words.begin(), words.end(),
                     [](char a, char b) { return ascii_lower(a) == ascii_lower(b); }) != text.end();
}

bool has_words(const StoredRecipient& r, std::string_view words) {
  return r.last.at != WallTime{} && icontains(r.last.reply.one_line(), words);
}

std::optional<TrafficClass> parse_traffic_class(std::string_view text) {
  for (TrafficClass one : {TrafficClass::interactive, TrafficClass::bulk, TrafficClass::bounce})
    if (text == name_of(one)) return one;
  return std::nullopt;
}

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
  return active ? ShownState::active : state_of_row(recipient.state, recipient.attempts);
}

bool ListFilter::is_empty() const {
  return !id && !state && domain.empty() && sender.empty() && recipient.empty() && !older &&
         !in_doubt && !younger && account.empty() && client.empty() && route.empty() &&
         !traffic_class && !larger && !smaller && attempts_min == 0 && reply.empty() &&
         reason.empty();
}

bool ListFilter::matches(const MessageInfo& info, WallTime now) const {
  if (id && info.id != *id) return false;
  if (older && info.arrival.received_at + *older > now) return false;
  if (younger && info.arrival.received_at + *younger < now) return false;
  if (!account.empty() && account != info.arrival.account) return false;
  if (!client.empty() && !iequals(client, info.arrival.client_address)) return false;
  if (traffic_class && *traffic_class != info.traffic_class) return false;
  if ((larger && info.size <= *larger) || (smaller && info.size >= *smaller)) return false;
  return may_match_sender(info.envelope.reverse_path.text());
}

bool ListFilter::matches(const StoredRecipient& r) const {
  if ((in_doubt && !r.in_doubt) || r.attempts < attempts_min) return false;
  if (!route.empty() && !iequals(route, r.destination) &&
      !iequals(route, unsplit_key(r.destination)))
    return false;
  if (!reply.empty() && !has_words(r, reply)) return false;
  return may_match(r.state, r.attempts) && may_match(r.recipient.address.text());
}

bool ListFilter::looks_at_recipients() const {
  return !domain.empty() || !recipient.empty() || (state && *state != ShownState::active);
}

bool ListFilter::may_match(RecipientState row_state, std::uint32_t attempts) const {
  return !state || *state == ShownState::active || *state == state_of_row(row_state, attempts);
}

bool ListFilter::may_match(std::string_view address) const {
  if (!domain.empty() && !domain_matches(domain, domain_in(address))) return false;
  return recipient.empty() || address_matches(recipient, address);
}

bool ListFilter::may_match_sender(std::string_view reverse_path) const {
  return sender.empty() || address_matches(sender, reverse_path);
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
