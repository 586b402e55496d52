// Cuts replies of an SMTP or LMTP server out of a byte stream (RFC 5321 4.2): one or more lines
// "250-text", the last one "250 text". No I/O; what the code means is decided elsewhere
// (outcome_rules.h).
//
// Tolerated: a lone LF as line end, a code without text. Everything else that is not a reply (other
// bytes before the code, NUL, a code that changes between lines, too long, too many lines) breaks
// the parser for good: after it nobody knows which reply belongs to which command.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/mail/reply.h"

namespace postwain::smtp {

constexpr std::size_t kReplyLineMax = 4096;  // RFC 5321 4.5.3.1.5 demands 512
constexpr std::size_t kReplyLinesMax = 100;
constexpr std::size_t kReplyTextKept = 16384;  // of all lines; the rest is read and dropped
constexpr std::size_t kReplyTextStored = 512;  // what goes into outcomes, logs and DSNs

class ReplyParser {
 public:
  enum class State : std::uint8_t { need_more, reply, broken };

  // Takes bytes from the front of data, at most up to the end of one reply.
  State parse(std::string_view& data);

  // Of the last reply: valid until the next parse().
  int code() const { return code_; }
  std::string_view text() const { return text_; }  // lines joined with '\n', as they came
  // Fit to be kept: enhanced code split off, control characters escaped, cut at kReplyTextStored.
  mail::Reply stored() const;
  std::string_view why_broken() const { return why_; }
  // True in the middle of a reply.
  bool partial() const { return !line_.empty() || lines_ > 0; }

 private:
  State take_line(std::string_view line);
  State broken(std::string why);

  std::string line_;  // beginning of a line whose end has not come yet
  std::string text_;
  std::string why_;
  int code_ = 0;
  std::size_t lines_ = 0;
  bool complete_ = false;
};

}  // namespace postwain::smtp
