#include "common/milter/filter_answer.h"

#include <algorithm>

namespace postwain::milter {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Printable text of one line: octets beyond ASCII stay, since a reply may be UTF-8 (RFC
// 6531 3.7.4).
std::string clean(std::string_view text, std::size_t most) {
  std::string out;
  for (std::size_t i = 0; i < text.size() && out.size() < most; ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (c == '%' && i + 1 < text.size() && text[i + 1] == '%') ++i;
    if (c == '\t') c = ' ';
    if (c >= ' ' && c != 0x7f) out += static_cast<char>(c);
  }
  return out;
}

// "554 5.7.1 text", "554-5.7.1 text", "554".
struct ReplyLine {
  int code = 0;
  mail::EnhancedCode enhanced;
  std::string_view text;
};

std::optional<ReplyLine> parse_line(std::string_view line) {
  if (line.size() < 3 || (line[0] != '4' && line[0] != '5')) return std::nullopt;
  if (!is_digit(line[1]) || line[1] > '5' || !is_digit(line[2])) return std::nullopt;
  ReplyLine out;
  out.code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  line.remove_prefix(3);
  if (line.empty()) return out;
  if (line[0] != ' ' && line[0] != '-') return std::nullopt;
  line.remove_prefix(1);
  std::string_view word = line.substr(0, line.find(' '));
  out.enhanced = mail::EnhancedCode::parse(word);
  if (out.enhanced.present()) line.remove_prefix(std::min(word.size() + 1, line.size()));
  out.text = line;
  return out;
}

std::optional<FilterAnswer> verdict(Verdict verdict) {
  FilterAnswer out;
  out.verdict = verdict;
  return out;
}

std::optional<FilterAnswer> reply_text(std::string_view data, std::string& why_not) {
  std::optional<mail::Reply> reply = parse_reply(data.substr(0, data.find('\0')));
  if (!reply) {
    why_not = "its reply text is no reply of 4yz or 5yz";
    return std::nullopt;
  }
  FilterAnswer out;
  out.verdict = reply->transient() ? Verdict::defer : Verdict::refuse;
  // 421 is how a server says that it closes the connection (RFC 5321 3.8).
  if (reply->code == 421) out.verdict = Verdict::hang_up;
  out.reply = std::move(*reply);
  return out;
}

bool is_field_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(),
                                      [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
}

// The fields of each kind of edit, in the order of the protocol.
std::optional<FilterAnswer> edit(Edit::Kind kind, std::string_view data, std::string& why_not) {
  DataReader reader(data);
  FilterAnswer out;
  out.kind = FilterAnswer::Kind::edit;
  out.edit.kind = kind;
  bool of_header = false;
  switch (kind) {
    case Edit::Kind::insert_header:
    case Edit::Kind::change_header:
      out.edit.index = reader.number32();
      [[fallthrough]];
    case Edit::Kind::add_header:
      of_header = true;
      out.edit.name = reader.text();
      out.edit.value = reader.text();
      break;
    case Edit::Kind::replace_body:
      out.edit.value = reader.rest();
      break;
    case Edit::Kind::quarantine:
      out.edit.value = clean(reader.text(), kQuarantineTextMax);
      break;
    case Edit::Kind::add_recipient:
    case Edit::Kind::delete_recipient:
    case Edit::Kind::change_sender:
      out.edit.name = reader.text();
      if (!reader.at_end()) out.edit.value = reader.text();
      break;
  }
  if (!reader.good() || !reader.at_end())
    why_not = "what it asks for at the end of the message cannot be read";
  else if (of_header && !is_field_name(out.edit.name))
    why_not = "it names a header field that cannot be one";
  else
    return out;
  return std::nullopt;
}

}  // namespace

std::uint32_t action_of(Edit::Kind kind) {
  switch (kind) {
    case Edit::Kind::add_header:
    case Edit::Kind::insert_header:
      return action::kAddHeaders;
    case Edit::Kind::change_header:
      return action::kChangeHeaders;
    case Edit::Kind::replace_body:
      return action::kChangeBody;
    case Edit::Kind::add_recipient:
      return action::kAddRecipients | action::kAddRecipientsWithArgs;
    case Edit::Kind::delete_recipient:
      return action::kDeleteRecipients;
    case Edit::Kind::change_sender:
      return action::kChangeSender;
    case Edit::Kind::quarantine:
      return action::kQuarantine;
  }
  return 0;
}

std::optional<FilterAnswer> read_answer(const Packet& packet, std::string& why_not) {
  switch (static_cast<Answer>(packet.command)) {
    case Answer::keep_going:
      return verdict(Verdict::keep_going);
    case Answer::accept:
      return verdict(Verdict::accept);
    case Answer::reject:
      return verdict(Verdict::refuse);
    case Answer::tempfail:
      return verdict(Verdict::defer);
    case Answer::discard:
      return verdict(Verdict::discard);
    case Answer::connection_failed:
    case Answer::shutdown:
      return verdict(Verdict::hang_up);
    case Answer::skip:
      return verdict(Verdict::skip);
    case Answer::reply_text:
      return reply_text(packet.data, why_not);
    case Answer::progress: {
      FilterAnswer out;
      out.kind = FilterAnswer::Kind::progress;
      return out;
    }
    case Answer::add_header:
      return edit(Edit::Kind::add_header, packet.data, why_not);
    case Answer::insert_header:
      return edit(Edit::Kind::insert_header, packet.data, why_not);
    case Answer::change_header:
      return edit(Edit::Kind::change_header, packet.data, why_not);
    case Answer::replace_body:
      return edit(Edit::Kind::replace_body, packet.data, why_not);
    case Answer::add_recipient:
    case Answer::add_recipient_with_args:
      return edit(Edit::Kind::add_recipient, packet.data, why_not);
    case Answer::delete_recipient:
      return edit(Edit::Kind::delete_recipient, packet.data, why_not);
    case Answer::change_sender:
      return edit(Edit::Kind::change_sender, packet.data, why_not);
    case Answer::quarantine:
      return edit(Edit::Kind::quarantine, packet.data, why_not);
    case Answer::negotiate:
      break;
  }
  why_not = "it sent a packet that is no answer";
  return std::nullopt;
}

std::optional<mail::Reply> parse_reply(std::string_view text) {
  mail::Reply reply;
  for (std::size_t lines = 0; !text.empty() && lines < kReplyLinesMax; ++lines) {
    std::size_t end = text.find_first_of("\r\n");
    std::optional<ReplyLine> line = parse_line(text.substr(0, end));
    if (!line || (lines > 0 && line->code != reply.code)) return std::nullopt;
    if (lines == 0) {
      reply.code = line->code;
      reply.enhanced = line->enhanced;
    } else {
      reply.text += '\n';
    }
    reply.text += clean(line->text, kReplyLineMax);
    if (end == std::string_view::npos) break;
    text.remove_prefix(std::min(text.find_first_not_of("\r\n", end), text.size()));
  }
  if (reply.code == 0) return std::nullopt;
  auto klass = static_cast<std::uint8_t>(reply.code / 100);
  if (reply.enhanced.klass != klass) reply.enhanced = {klass, 7, 1};
  return reply;
}

}  // namespace postwain::milter
