#include "common/notice/dsn_text.h"

#include <fmt/format.h>

#include "common/base/text.h"

#include "common/notice/encode.h"

namespace postwain::notice {

namespace {

constexpr std::size_t kAddressMax = 1024;
constexpr std::size_t kIndent = 4;

std::string& value(Values& values, Variable variable) {
  return values[static_cast<std::size_t>(variable)];
}

// "2026-11-21 09:30:00 UTC": the same in every language.
std::string moment(WallTime at) {
  std::string text = format_rfc3339(at);
  if (text.size() < 20) return text;
  text[10] = ' ';
  return text.substr(0, 19) + " UTC";
}

Values message_values(const DsnRequest& request) {
  Values values;
  value(values, Variable::hostname) = request.hostname;
  value(values, Variable::postmaster) = harmless(request.postmaster, kAddressMax);
  value(values, Variable::sender) = harmless(request.original_sender.text(), kAddressMax);
  value(values, Variable::id) = request.original_id.text();
  value(values, Variable::arrived) = moment(request.arrived_at);
  value(values, Variable::retry_until) = moment(request.retry_until);
  return values;
}

void add_recipient_values(Values& values, const DsnRequest& request, const DsnRecipient& r,
                          const Template& words) {
  value(values, Variable::recipient) = harmless(r.recipient.address.text(), kAddressMax);
  value(values, Variable::domain) = harmless(r.recipient.address.domain(), kAddressMax);
  value(values, Variable::host) = harmless(r.remote_host, kAddressMax);
  value(values, Variable::status) = dsn_status_code(request.action, r);
  bool tried = r.last_attempt_at != WallTime{};
  value(values, Variable::last_attempt) = moment(tried ? r.last_attempt_at : request.now);
  value(values, Variable::stage) = words.fill(section_of(r.stage), values);
}

Section intro_of(DsnAction action) {
  switch (action) {
    case DsnAction::failed:
      return Section::failed;
    case DsnAction::delayed:
      return Section::delayed;
    case DsnAction::delivered:
      return Section::delivered;
    case DsnAction::relayed:
      return Section::relayed;
    case DsnAction::expanded:
      return Section::expanded;
  }
  return Section::failed;
}

std::vector<std::string> reply_lines(const mail::Reply& reply, std::size_t max) {
  std::vector<std::string> lines;
  std::string start;
  if (reply.code != 0) start = fmt::format("{} ", reply.code);
  if (reply.code != 0 && reply.enhanced.present()) start += reply.enhanced.text() + " ";
  std::size_t left = max;
  for (std::string_view line : split(reply.text, '\n')) {
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    std::string shown = lines.empty() ? start : std::string();
    shown += harmless(line, left);
    left -= std::min(left, shown.size());
    if (!trim(shown).empty()) lines.emplace_back(trim(shown));
    if (left == 0) break;
  }
  return lines;
}

// What happened to one recipient, why, what to do, and the reply as it came.
std::string recipient_text(const DsnRequest& request, const DsnRecipient& r, const Template& words,
                           Values values, const DsnForm& form) {
  add_recipient_values(values, request, r, words);
  std::string out = fmt::format("\r\n<{}>\r\n", value(values, Variable::recipient));
  bool success = request.action != DsnAction::failed && request.action != DsnAction::delayed;
  if (success) return out;
  std::string reason = words.fill(section_of(reason_of(r.reply, r.stage, r.expired)), values);
  if (request.action == DsnAction::delayed)
    reason.resize(std::min(reason.find("\n\n"), reason.size()));
  out += paragraphs(reason, kIndent);
  std::vector<std::string> lines = reply_lines(r.reply, form.reply_max);
  if (lines.empty()) return out;
  bool answer = r.reply.code != 0 && !r.remote_host.empty();
  out += "\r\n" + paragraphs(words.fill(answer ? Section::answer : Section::note, values), kIndent);
  for (const std::string& line : lines) out += quoted_line(line, kIndent + 2);
  return out;
}

std::string text_in(const DsnRequest& request, const Template& words, const DsnForm& form) {
  Values values = message_values(request);
  std::string out = paragraphs(words.fill(Section::opening, values), 0) + "\r\n";
  if (request.to_postmaster) out += paragraphs(words.fill(Section::postmaster, values), 0) + "\r\n";
  out += paragraphs(words.fill(intro_of(request.action), values), 0);
  for (const DsnRecipient& r : request.recipients)
    out += recipient_text(request, r, words, values, form);
  if (request.action != DsnAction::failed) return out;
  Section original = form.whole ? Section::original_whole : Section::original_header;
  return out + "\r\n" + paragraphs(words.fill(original, values), 0);
}

// RFC 3464 2.1.2, RFC 6533 4.
std::string typed_address(std::string_view type, std::string_view address, bool utf8) {
  std::string shown = harmless(address, kAddressMax);
  if (is_ascii(shown)) return fmt::format("{}; {}", type, shown);
  return fmt::format("utf-8; {}", utf8 ? shown : ascii_of(shown));
}

std::string original_recipient(std::string_view orcpt, bool utf8) {
  std::size_t semicolon = orcpt.find(';');
  if (semicolon == std::string_view::npos) return typed_address("rfc822", orcpt, utf8);
  return typed_address(harmless(orcpt.substr(0, semicolon), 80), trim(orcpt.substr(semicolon + 1)),
                       utf8);
}

// A name, an address literal, or what LMTP over a Unix socket has: a path.
std::string remote_mta(std::string_view host) {
  if (!host.empty() && host.front() == '/') return fmt::format("x-unix; {}", host);
  bool literal = host.find_first_not_of("0123456789.") == std::string_view::npos ||
                 host.find(':') != std::string_view::npos;
  if (!literal || (!host.empty() && host.front() == '[')) return fmt::format("dns; {}", host);
  bool v6 = host.find(':') != std::string_view::npos;
  return fmt::format("dns; [{}{}]", v6 ? "IPv6:" : "", host);
}

std::string diagnostic_code(const mail::Reply& reply, const DsnForm& form) {
  std::string out;
  for (const std::string& line : reply_lines(reply, form.reply_max)) {
    out += out.empty() ? (reply.code != 0 ? "smtp; " : "X-Postwain; ") : "\n";
    out += line;
  }
  return form.utf8 ? out : ascii_of(out);
}

std::string recipient_fields(const DsnRequest& request, const DsnRecipient& r,
                             const DsnForm& form) {
  std::string out;
  auto add = [&](std::string_view name, std::string_view text) {
    if (!text.empty()) out += folded_field(name, text);
  };
  if (!r.recipient.orcpt.empty())
    add("Original-Recipient", original_recipient(r.recipient.orcpt, form.utf8));
  add("Final-Recipient", typed_address("rfc822", r.recipient.address.text(), form.utf8));
  add("Action", name_of(request.action));
  add("Status", dsn_status_code(request.action, r));
  std::string host = harmless(r.remote_host, kAddressMax);
  if (!host.empty()) add("Remote-MTA", remote_mta(form.utf8 ? host : ascii_of(host)));
  add("Diagnostic-Code", diagnostic_code(r.reply, form));
  if (r.last_attempt_at != WallTime{}) add("Last-Attempt-Date", format_rfc5322(r.last_attempt_at));
  add("Final-Log-ID", request.original_id.text());
  if (request.action == DsnAction::delayed)
    add("Will-Retry-Until", format_rfc5322(request.retry_until));
  return out;
}

const Words& words_of(const DsnRequest& request) {
  static const Words kEnglish = {*Template::shipped("en")};
  return request.words == nullptr || request.words->empty() ? kEnglish : *request.words;
}

}  // namespace

std::string_view name_of(DsnAction action) {
  switch (action) {
    case DsnAction::failed:
      return "failed";
    case DsnAction::delayed:
      return "delayed";
    case DsnAction::delivered:
      return "delivered";
    case DsnAction::relayed:
      return "relayed";
    case DsnAction::expanded:
      return "expanded";
  }
  return "?";
}

std::string dsn_human_text(const DsnRequest& request, const DsnForm& form) {
  std::string out;
  for (const Template& words : words_of(request)) {
    if (!out.empty()) out += "\r\n" + std::string(kWidth - 4, '_') + "\r\n\r\n";
    out += text_in(request, words, form);
  }
  return out;
}

std::string dsn_subject(const DsnRequest& request) {
  const Template& words = words_of(request).front();
  Section section = request.to_postmaster                  ? Section::subject_postmaster
                    : request.action == DsnAction::failed  ? Section::subject_failed
                    : request.action == DsnAction::delayed ? Section::subject_delayed
                                                           : Section::subject_success;
  return words.fill(section, {});
}

std::string dsn_status_code(DsnAction action, const DsnRecipient& r) {
  std::uint8_t klass = action == DsnAction::failed ? 5 : action == DsnAction::delayed ? 4 : 2;
  // RFC 3463: x.4.7 delivery time expired; the peer's detail is in the diagnostic code.
  if (r.expired && r.reply.enhanced.klass != 5) return "5.4.7";
  if (r.reply.enhanced.klass == klass) return r.reply.enhanced.text();
  return fmt::format("{}.0.0", klass);
}

std::string dsn_status_fields(const DsnRequest& request, const DsnForm& form) {
  std::string out = folded_field("Reporting-MTA", "dns; " + request.hostname);
  if (!request.envid.empty()) {
    std::string envid = harmless(request.envid, kAddressMax);
    out += folded_field("Original-Envelope-Id", form.utf8 ? envid : ascii_of(envid));
  }
  out += folded_field("X-Postwain-Queue-ID", request.original_id.text());
  if (!request.original_sender.is_null())
    out += folded_field("X-Postwain-Sender",
                        typed_address("rfc822", request.original_sender.text(), form.utf8));
  out += folded_field("Arrival-Date", format_rfc5322(request.arrived_at));
  for (const DsnRecipient& r : request.recipients)
    out += "\r\n" + recipient_fields(request, r, form);
  return out;
}

}  // namespace postwain::notice
