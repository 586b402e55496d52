#include "common/notice/reason.h"

#include <array>
#include <optional>

#include "common/base/text.h"

namespace postwain::notice {

namespace {

constexpr std::array<std::string_view, kReasons> kNames = {
    "unknown-user",   "bad-address",    "moved",          "mailbox-full", "mailbox-off",
    "host-not-found", "no-mail-domain", "too-large",      "blocked",      "policy",
    "authentication", "relay-denied",   "sender-refused", "content",      "utf8",
    "loop",           "greylisted",     "busy",           "unreachable",  "dns-trouble",
    "security",       "expired",        "returned",       "refused",      "unknown"};

// Subject and detail of an enhanced code; klass 0: either class.
struct CodeRow {
  std::uint8_t klass;
  std::uint16_t subject;
  std::uint16_t detail;
  Reason reason;
};

constexpr CodeRow kCodes[] = {
    {0, 1, 1, Reason::unknown_user},
    {0, 1, 2, Reason::host_not_found},
    {0, 1, 3, Reason::bad_address},
    {0, 1, 4, Reason::bad_address},
    {0, 1, 6, Reason::moved},
    {0, 1, 7, Reason::sender_refused},
    {0, 1, 8, Reason::sender_refused},
    {0, 1, 10, Reason::no_mail_domain},
    {0, 2, 1, Reason::mailbox_off},
    {0, 2, 2, Reason::mailbox_full},
    {0, 2, 3, Reason::too_large},
    {0, 3, 1, Reason::busy},
    {0, 3, 2, Reason::busy},
    {0, 3, 4, Reason::too_large},
    {0, 4, 1, Reason::unreachable},
    {0, 4, 2, Reason::unreachable},
    {0, 4, 3, Reason::dns_trouble},
    {5, 4, 4, Reason::host_not_found},
    {4, 4, 4, Reason::dns_trouble},
    {0, 4, 5, Reason::busy},
    {0, 4, 6, Reason::loop},
    {0, 4, 7, Reason::unreachable},
    {0, 6, 7, Reason::utf8},
    {0, 6, 9, Reason::utf8},
    {0, 6, 10, Reason::utf8},
    {0, 7, 4, Reason::security},
    {0, 7, 5, Reason::security},
    {0, 7, 8, Reason::security},
    {0, 7, 10, Reason::security},
    {0, 7, 11, Reason::security},
    {0, 7, 20, Reason::authentication},
    {0, 7, 21, Reason::authentication},
    {0, 7, 22, Reason::authentication},
    {0, 7, 23, Reason::authentication},
    {0, 7, 24, Reason::authentication},
    {0, 7, 25, Reason::authentication},
    {0, 7, 26, Reason::authentication},
    {0, 7, 27, Reason::sender_refused},
};

// Codes that many servers give for everything; then the words say more.
bool is_vague(const mail::EnhancedCode& code) {
  return !code.present() || (code.subject == 0) || (code.subject == 1 && code.detail == 0) ||
         (code.subject == 2 && code.detail == 0) || (code.subject == 3 && code.detail == 0) ||
         (code.subject == 4 && code.detail == 0) || (code.subject == 7 && code.detail <= 1);
}

struct WordRow {
  std::string_view words;  // lower case
  Reason reason;
};

// The first row that occurs in the text wins, so the surer words stand first.
constexpr WordRow kWords[] = {
    {"returned by the operator", Reason::returned},
    {"greylist", Reason::greylisted},
    {"graylist", Reason::greylisted},
    {"grey-list", Reason::greylisted},
    {"quota", Reason::mailbox_full},
    {"mailbox full", Reason::mailbox_full},
    {"mailbox is full", Reason::mailbox_full},
    {"insufficient disk", Reason::mailbox_full},
    {"too large", Reason::too_large},
    {"too big", Reason::too_large},
    {"size limit", Reason::too_large},
    {"exceeds size", Reason::too_large},
    {"maximum message size", Reason::too_large},
    {"too many hops", Reason::loop},
    {"mail loop", Reason::loop},
    {"loops back", Reason::loop},
    {"relay", Reason::relay_denied},
    {"spf", Reason::authentication},
    {"dkim", Reason::authentication},
    {"dmarc", Reason::authentication},
    {"spam", Reason::blocked},
    {"blacklist", Reason::blocked},
    {"blocklist", Reason::blocked},
    {"block list", Reason::blocked},
    {"blocked", Reason::blocked},
    {"listed", Reason::blocked},
    {"reputation", Reason::blocked},
    {"virus", Reason::content},
    {"disabled", Reason::mailbox_off},
    {"inactive", Reason::mailbox_off},
    {"suspended", Reason::mailbox_off},
    {"sender rejected", Reason::sender_refused},
    {"sender address rejected", Reason::sender_refused},
    {"user unknown", Reason::unknown_user},
    {"unknown user", Reason::unknown_user},
    {"unknown recipient", Reason::unknown_user},
    {"recipient unknown", Reason::unknown_user},
    {"no such", Reason::unknown_user},
    {"not exist", Reason::unknown_user},
    {"n't exist", Reason::unknown_user},
    {"no mailbox", Reason::unknown_user},
    {"mailbox not found", Reason::unknown_user},
    {"mailbox unavailable", Reason::unknown_user},
    {"user not found", Reason::unknown_user},
    {"recipient not found", Reason::unknown_user},
    {"invalid recipient", Reason::unknown_user},
    {"invalid mailbox", Reason::unknown_user},
    {"policy", Reason::policy},
};

std::optional<Reason> by_code(const mail::EnhancedCode& code) {
  for (const CodeRow& row : kCodes)
    if (row.subject == code.subject && row.detail == code.detail &&
        (row.klass == 0 || row.klass == code.klass))
      return row.reason;
  if (code.subject == 6) return Reason::content;
  return std::nullopt;
}

std::optional<Reason> by_words(std::string_view text) {
  std::string lower = to_lower(text);
  for (char& c : lower)
    if (c == '\n') c = ' ';
  for (const WordRow& row : kWords)
    if (lower.find(row.words) != std::string::npos) return row.reason;
  return std::nullopt;
}

Reason by_stage(const mail::Reply& reply, mail::Stage stage) {
  bool transient = reply.transient() || reply.enhanced.klass == 4;
  switch (stage) {
    case mail::Stage::dns:
      return transient ? Reason::dns_trouble : Reason::host_not_found;
    case mail::Stage::tls:
    case mail::Stage::auth:
      return Reason::security;
    case mail::Stage::mail:
      if (!transient && reply.code != 0) return Reason::sender_refused;
      break;
    case mail::Stage::connect:
    case mail::Stage::greeting:
    case mail::Stage::hello:
      return reply.code == 0 ? Reason::unreachable : Reason::busy;
    case mail::Stage::local:
    case mail::Stage::rcpt:
    case mail::Stage::data:
    case mail::Stage::content:
    case mail::Stage::final_reply:
      break;
  }
  if (reply.code == 0 && stage != mail::Stage::local && transient) return Reason::unreachable;
  if (reply.permanent()) return Reason::refused;
  return reply.transient() ? Reason::busy : Reason::unknown;
}

}  // namespace

std::string_view name_of(Reason reason) {
  return kNames[static_cast<std::size_t>(reason)];
}

Reason reason_of(const mail::Reply& reply, mail::Stage stage, bool expired) {
  if (expired) return Reason::expired;
  if (!is_vague(reply.enhanced))
    if (auto reason = by_code(reply.enhanced)) return *reason;
  // RFC 7504: 521 and 556 say that no mail is taken here at all.
  if (reply.code == 521 || reply.code == 556) return Reason::no_mail_domain;
  if (auto reason = by_words(reply.text)) return *reason;
  if (reply.enhanced.subject == 7) return Reason::policy;
  if (reply.code == 551) return Reason::moved;
  if (reply.code == 552) return Reason::too_large;
  if (reply.code == 452) return Reason::busy;
  if (reply.enhanced.subject == 1 && reply.enhanced.klass == 5) return Reason::bad_address;
  return by_stage(reply, stage);
}

}  // namespace postwain::notice
