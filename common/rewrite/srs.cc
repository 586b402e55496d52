#include "common/rewrite/srs.h"

#include <optional>
#include <utility>

#include "common/base/check.h"
#include "common/base/text.h"
#include "common/smtp/syntax/address_syntax.h"
#include "common/tls/digest.h"

namespace postwain::rewrite {

namespace {

constexpr std::string_view kSrsSeparators = "=+-";
constexpr std::string_view kSrsDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr std::int64_t kSrsDayMs = 86'400'000;
constexpr std::int64_t kSrsDays = 1024;  // after which the count begins anew

// What follows "SRS0" and its separator, or nothing. The separator is its first octet.
std::optional<std::string_view> behind_tag(std::string_view local, std::string_view tag) {
  if (!istarts_with(local, tag) || local.size() == tag.size()) return std::nullopt;
  std::string_view rest = local.substr(tag.size());
  if (kSrsSeparators.find(rest.front()) == std::string_view::npos) return std::nullopt;
  return rest;
}

// Takes the text up to the next '=' off; nothing when there is none, or nothing before it.
std::optional<std::string_view> take_part(std::string_view& text) {
  std::size_t end = text.find('=');
  if (end == std::string_view::npos || end == 0) return std::nullopt;
  std::string_view part = text.substr(0, end);
  text.remove_prefix(end + 1);
  return part;
}

// "HHHH=TT=domain=local", the form of all forwarders.
bool has_first_form(std::string_view parts) {
  for (int i = 0; i < 3; ++i)
    if (!take_part(parts)) return false;
  return !parts.empty();
}

// local: without quotes.
std::optional<mail::Address> srs_address(std::string_view local, std::string_view domain) {
  if (local.empty()) return std::nullopt;
  std::string text = smtp::local_in_wire_form(local);
  text += '@';
  text += domain;
  return smtp::parse_mailbox(text);
}

// The first forwarder of "HHHH=first==HHHH=TT=domain=local" and what is his; nothing of another
// form.
struct SrsSecondForm {
  std::string_view hash;
  std::string_view host;
  std::string_view user;  // with the separator that stood behind "SRS0" in front
  mail::Address address;  // the one that the first forwarder has made
};
std::optional<SrsSecondForm> second_form(std::string_view parts) {
  auto hash = take_part(parts);
  auto host = hash ? take_part(parts) : std::nullopt;
  if (!host || parts.empty() || kSrsSeparators.find(parts.front()) == std::string_view::npos)
    return std::nullopt;
  auto address = srs_address("SRS0" + std::string(parts), *host);
  if (!address || !has_first_form(parts.substr(1))) return std::nullopt;
  return SrsSecondForm{*hash, *host, parts, *std::move(address)};
}

std::int64_t day_of(WallTime now) {
  std::int64_t ms = to_unix_ms(now);
  std::int64_t day = ms / kSrsDayMs - (ms % kSrsDayMs < 0 ? 1 : 0);
  return (day % kSrsDays + kSrsDays) % kSrsDays;
}

std::string stamp_of(WallTime now) {
  auto day = static_cast<std::size_t>(day_of(now));
  return {kSrsDigits[day >> 5], kSrsDigits[day & 31]};
}

std::optional<std::int64_t> day_of_stamp(std::string_view stamp) {
  if (stamp.size() != 2) return std::nullopt;
  std::int64_t day = 0;
  for (char c : stamp) {
    std::size_t value =
        kSrsDigits.find(c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
    if (value == std::string_view::npos) return std::nullopt;
    day = day << 5 | static_cast<std::int64_t>(value);
  }
  return day;
}

bool is_fresh(std::int64_t stamp, WallTime now) {
  std::int64_t age = (day_of(now) - stamp + kSrsDays) % kSrsDays;
  return age <= kSrsDaysValid || age == kSrsDays - 1;
}

// Without regard to letter case; the time it takes says nothing of where they differ.
bool same_hash(std::string_view a, std::string_view b) {
  unsigned differences = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    differences |= static_cast<unsigned char>(ascii_lower(a[i])) ^
                   static_cast<unsigned char>(ascii_lower(b[i]));
  return differences == 0;
}

SrsOutcome srs_failed(SrsProblem problem) {
  return {problem, {}};
}

}  // namespace

std::string_view text_of(SrsProblem problem) {
  switch (problem) {
    case SrsProblem::none:
      break;
    case SrsProblem::no_domain:
      return "has no domain";
    case SrsProblem::too_long:
      return "would be too long when rewritten";
    case SrsProblem::unfit:
      return "would be no address when rewritten";
    case SrsProblem::not_srs:
      return "is no rewritten address";
    case SrsProblem::malformed:
      return "is no complete rewritten address";
    case SrsProblem::bad_hash:
      return "was changed on its way, or is not ours";
    case SrsProblem::expired:
      return "is no longer valid";
  }
  return "";
}

Srs::Srs(SrsSettings settings)
    : settings_(std::move(settings)), domain_key_(mail::domain_key(settings_.domain)) {
  PW_CHECK(!settings_.secrets.empty());
  PW_CHECK(kSrsSeparators.find(settings_.separator) != std::string_view::npos);
}

std::string Srs::hash(std::string_view secret, std::string_view text) const {
  return base64_encode(tls::hmac_sha1(secret, to_lower(text)));
}

// Hashes of more characters than ours are those of other programs with our secret.
bool Srs::verifies(std::string_view given, std::string_view text) const {
  bool found = false;
  for (const std::string& secret : settings_.secrets) {
    std::string whole = hash(secret, text);
    bool fits = given.size() >= kSrsHashSize && given.size() < whole.size();
    found = (fits && same_hash(given, whole)) || found;
  }
  return found;
}

std::string Srs::forwarded_local(const mail::Address& sender, std::string_view local,
                                 WallTime now) const {
  auto sign = [&](std::string_view text) {
    return hash(settings_.secrets.front(), text).substr(0, kSrsHashSize);
  };
  auto joined = [&](std::string_view tag, std::string_view signature, std::string_view host,
                    std::string_view user) {
    return std::string(tag) + settings_.separator + std::string(signature) + '=' +
           std::string(host) + '=' + std::string(user);
  };
  const mail::Address ascii = mail::Address::from_text(sender.ascii_text());
  const std::string host(ascii.domain());
  if (auto parts = behind_tag(local, "SRS1")) {
    if (auto second = second_form(parts->substr(1)))
      return joined("SRS1", sign(std::string(second->host) + std::string(second->user)),
                    second->host, second->user);
  }
  auto parts = behind_tag(local, "SRS0");
  if (parts && has_first_form(parts->substr(1)))
    return joined("SRS1", sign(host + std::string(*parts)), host, *parts);
  std::string stamp = stamp_of(now);
  std::string signature = sign(stamp + host + std::string(local));
  return joined("SRS0", signature + '=' + stamp, host, local);
}

SrsOutcome Srs::forward(const mail::Address& sender, WallTime now) const {
  if (sender.domain().empty()) return srs_failed(SrsProblem::no_domain);
  std::string unquoted = sender.local_unquoted();
  if (unquoted.empty()) return srs_failed(SrsProblem::unfit);  // it could not be told from no part
  std::string local = forwarded_local(sender, unquoted, now);
  auto address = srs_address(local, settings_.domain);
  if (smtp::local_in_wire_form(local).size() > kSrsLocalMax ||
      (address && address->text().size() > kSrsAddressMax))
    return srs_failed(SrsProblem::too_long);
  if (!address) return srs_failed(SrsProblem::unfit);
  return {SrsProblem::none, *std::move(address)};
}

bool Srs::is_ours(const mail::Address& address) const {
  if (!address.has_domain() || address.domain_key() != domain_key_) return false;
  std::string local = address.local_unquoted();
  return behind_tag(local, "SRS0") || behind_tag(local, "SRS1");
}

SrsOutcome Srs::reverse(const mail::Address& recipient, WallTime now) const {
  return reverse_at(recipient, now);
}

SrsOutcome Srs::sender_behind(const mail::Address& rewritten) const {
  return reverse_at(rewritten, std::nullopt);
}

// Without a time, an address of any age will do.
SrsOutcome Srs::reverse_at(const mail::Address& recipient, std::optional<WallTime> now) const {
  if (!is_ours(recipient)) return srs_failed(SrsProblem::not_srs);
  std::string local = recipient.local_unquoted();
  auto first = behind_tag(local, "SRS0");
  return first ? reverse_first(first->substr(1), now)
               : reverse_second(behind_tag(local, "SRS1")->substr(1));
}

SrsOutcome Srs::reverse_first(std::string_view parts, std::optional<WallTime> now) const {
  if (!has_first_form(parts)) return srs_failed(SrsProblem::malformed);
  std::string_view signature = *take_part(parts);
  std::string_view stamp = *take_part(parts);
  std::string_view host = *take_part(parts);
  std::string text = std::string(stamp) + std::string(host) + std::string(parts);
  if (!verifies(signature, text)) return srs_failed(SrsProblem::bad_hash);
  auto day = day_of_stamp(stamp);
  auto address = srs_address(parts, host);
  if (!day || !address) return srs_failed(SrsProblem::malformed);
  if (now && !is_fresh(*day, *now)) return srs_failed(SrsProblem::expired);
  return {SrsProblem::none, *std::move(address)};
}

SrsOutcome Srs::reverse_second(std::string_view parts) const {
  auto form = second_form(parts);
  if (!form) return srs_failed(SrsProblem::malformed);
  if (!verifies(form->hash, std::string(form->host) + std::string(form->user)))
    return srs_failed(SrsProblem::bad_hash);
  return {SrsProblem::none, form->address};
}

SrsNeed srs_need(const Srs& srs, const mail::Address& sender, const SrsOccasion& occasion) {
  if (!occasion.recipient_outside) return SrsNeed::recipient_inside;
  if (sender.is_null() || !sender.has_domain()) return SrsNeed::no_sender;
  if (srs.is_ours(sender)) return SrsNeed::rewritten;
  return occasion.sender_is_own ? SrsNeed::own_sender : SrsNeed::rewrite;
}

std::string_view text_of(SrsNeed need) {
  switch (need) {
    case SrsNeed::rewrite:
      return "is rewritten";
    case SrsNeed::recipient_inside:
      return "stays, because the mail does not leave";
    case SrsNeed::no_sender:
      return "stays, because there is nobody to return mail to";
    case SrsNeed::own_sender:
      return "stays, because its domain is ours";
    case SrsNeed::rewritten:
      return "stays, because it has been rewritten already";
  }
  return "";
}

}  // namespace postwain::rewrite
