// Bytes of a server into the reply parser, whole and in pieces: the same replies come out however
// the network cuts them, and nothing in them could break a line of ours.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/smtp/syntax/reply_parser.h"

using namespace postwain;
using namespace postwain::smtp;

namespace {

std::string replies(std::string_view bytes, std::size_t piece) {
  ReplyParser parser;
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    std::string_view part = bytes.substr(at, piece);
    while (!part.empty()) {
      ReplyParser::State state = parser.parse(part);
      if (state == ReplyParser::State::need_more) break;
      if (state == ReplyParser::State::broken) return out + std::string(parser.why_broken());
      mail::Reply reply = parser.stored();
      PW_CHECK(reply.text.size() <= kReplyTextStored + 16);  // an escape and "..." may end it
      for (char c : reply.one_line()) PW_CHECK(static_cast<unsigned char>(c) >= 0x20);
      out += std::to_string(parser.code()) + ' ' + reply.one_line() + '\n';
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  PW_CHECK(replies(bytes, 1 + data[0] % 16) == replies(bytes, bytes.size() + 1));
  return 0;
}
