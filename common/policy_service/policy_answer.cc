#include "common/policy_service/policy_answer.h"

#include <algorithm>

#include "common/base/text.h"

namespace postwain::policy_service {

namespace {

struct Word {
  std::string_view text;
  Action action;
  int code = 0;  // of the reply, where no other is given
};
constexpr Word kWords[] = {
    {"DUNNO", Action::none},
    {"OK", Action::permit},
    {"RELAY", Action::permit},
    {"REJECT", Action::refuse, 554},
    {"DEFER", Action::defer, 450},
    {"DEFER_IF_PERMIT", Action::defer_if_permit, 450},
    {"DEFER_IF_REJECT", Action::defer_if_reject, 450},
    {"HOLD", Action::hold},
    {"DISCARD", Action::discard},
    {"REDIRECT", Action::redirect},
    {"BCC", Action::blind_copy},
    {"PREPEND", Action::prepend},
    {"INFO", Action::remark},
    {"WARN", Action::remark},
    {"HANGUP", Action::hang_up, 421},
};

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

// Printable; octets beyond ASCII stay, since a reply may be UTF-8 (RFC 6531 3.7.4).
std::string cleaned(std::string_view text, std::size_t most) {
  std::string out;
  for (char c : text.substr(0, most)) {
    if (c == '\t') c = ' ';
    auto octet = static_cast<unsigned char>(c);
    if (octet >= ' ' && octet != 0x7f) out += c;
  }
  return out;
}

mail::Reply reply_of(int code, std::string_view text) {
  mail::Reply reply;
  reply.code = code;
  std::string_view word = text.substr(0, text.find(' '));
  reply.enhanced = mail::EnhancedCode::parse(word);
  if (reply.enhanced.present()) text.remove_prefix(std::min(word.size() + 1, text.size()));
  auto klass = static_cast<std::uint8_t>(code / 100);
  if (reply.enhanced.klass != klass)
    reply.enhanced = {klass, 7, static_cast<std::uint16_t>(code == 421 ? 0 : 1)};
  reply.text = cleaned(trim(text), kAnswerTextMax);
  return reply;
}

std::optional<Answer> read_code(std::string_view word, std::string_view text) {
  if (word.size() != 3 || (word[0] != '4' && word[0] != '5') || word[1] > '5') return std::nullopt;
  int code = (word[0] - '0') * 100 + (word[1] - '0') * 10 + (word[2] - '0');
  Answer out;
  out.action = code >= 500 ? Action::refuse : Action::defer;
  // How a server says that it closes the connection (RFC 5321 3.8).
  if (code == 421) out.action = Action::hang_up;
  out.reply = reply_of(code, text);
  return out;
}

Answer mistake(std::string why) {
  Answer out;
  out.action = Action::mistake;
  out.text = std::move(why);
  return out;
}

Answer read_field(std::string_view field) {
  std::size_t colon = field.find(':');
  std::string_view name = trim(field.substr(0, colon));
  bool is_name = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return c > ' ' && static_cast<unsigned char>(c) < 0x7f;
  });
  if (colon == std::string_view::npos || !is_name || field.size() > kAnswerFieldMax)
    return mistake("PREPEND without a header field");
  Answer out;
  out.action = Action::prepend;
  out.field_name = name;
  out.text = cleaned(trim(field.substr(colon + 1)), kAnswerFieldMax);
  return out;
}

Answer read_address(Action action, std::string_view word, std::string_view address) {
  if (address.size() > 2 && address.front() == '<' && address.back() == '>')
    address = address.substr(1, address.size() - 2);
  bool fits = address.find('@') != std::string_view::npos && address.size() <= kAnswerAddressMax &&
              cleaned(address, address.size()) == address;
  if (!fits) return mistake(std::string(word) + " without an address");
  Answer out;
  out.action = action;
  out.text = address;
  return out;
}

Answer read_word(const Word& word, std::string_view text) {
  switch (word.action) {
    case Action::redirect:
    case Action::blind_copy:
      return read_address(word.action, word.text, text);
    case Action::prepend:
      return read_field(text);
    default:
      break;
  }
  Answer out;
  out.action = word.action;
  if (word.code != 0)
    out.reply = reply_of(word.code, text);
  else
    out.text = cleaned(text, kAnswerTextMax);
  return out;
}

}  // namespace

std::string_view name_of(Action action) {
  constexpr std::string_view kNames[] = {
      "none", "permit",  "refuse",   "defer",      "hang_up", "defer_if_permit", "defer_if_reject",
      "hold", "discard", "redirect", "blind_copy", "prepend", "remark",          "mistake"};
  return kNames[static_cast<std::size_t>(action)];
}

std::optional<Answer> read_action(std::string_view action) {
  action = trim(action);
  if (action.empty()) return Answer{};
  std::string_view word = action.substr(0, action.find_first_of(" \t"));
  std::string_view text = trim(action.substr(word.size()));
  for (const Word& known : kWords)
    if (iequals(word, known.text)) return read_word(known, text);
  if (iequals(word, "FILTER")) return mistake("FILTER: a message cannot be given another route");
  if (!is_number(word)) return std::nullopt;
  if (!text.empty()) return read_code(word, text);
  Answer out;
  out.action = Action::permit;  // a time stamp of some authentication, as Postfix reads it
  return out;
}

}  // namespace postwain::policy_service
