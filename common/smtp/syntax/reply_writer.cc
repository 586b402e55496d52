#include "common/smtp/syntax/reply_writer.h"

#include <string_view>

#include "common/smtp/syntax/server_limits.h"

namespace postwain::smtp {

namespace {

void append_digits(std::string& out, unsigned number) {
  char digits[5];
  std::size_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number > 0 && count < sizeof digits);
  while (count > 0) out += digits[--count];
}

void append_line(std::string& out, const mail::Reply& reply, std::string_view text, bool last) {
  append_digits(out, static_cast<unsigned>(reply.code));
  out += last ? ' ' : '-';
  if (reply.enhanced.present()) {
    append_digits(out, reply.enhanced.klass);
    out += '.';
    append_digits(out, reply.enhanced.subject);
    out += '.';
    append_digits(out, reply.enhanced.detail);
    out += ' ';
  }
  for (char c : text.substr(0, kReplyTextMax)) {
    bool control = static_cast<unsigned char>(c) < 32 || c == 127;
    out += control ? '?' : c;
  }
  out += "\r\n";
}

}  // namespace

void append_reply(std::string& out, const mail::Reply& reply) {
  std::string_view text = reply.text;
  for (;;) {
    std::size_t newline = text.find('\n');
    bool last = newline == std::string_view::npos;
    append_line(out, reply, text.substr(0, newline), last);
    if (last) return;
    text.remove_prefix(newline + 1);
  }
}

}  // namespace postwain::smtp
