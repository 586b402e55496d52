// The receive buffer of a server session, and the only place that knows how a command line ends:
// with CRLF (RFC 5321 2.3.8). A lone CR or LF and a NUL are told as a problem of the line, never
// repaired. It remembers how far it has searched, so a line that drips in costs no second search.
// No knowledge of commands; content is taken from rest() by the content decoders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/smtp/syntax/server_limits.h"

namespace postwain::smtp {

enum class LineProblem : std::uint8_t { none, too_long, lone_cr_or_lf, nul };

struct Line {
  std::string_view text;  // without its end; empty when too_long
  LineProblem problem = LineProblem::none;
};

class LineReader {
 public:
  void append(std::string_view bytes);

  // The next whole line, or nothing while its end has not come. max: with its CRLF. The view lives
  // until the next append().
  std::optional<Line> next_line(std::size_t max = kCommandLineMax);
  // A line without end went beyond kLineJunkMax: the peer is not speaking this protocol.
  bool flooded() const { return skipped_ > kLineJunkMax; }

  // Bytes not yet taken, for a content decoder, and taking some of them.
  std::string_view rest() const { return std::string_view(buffer_).substr(head_); }
  void consume(std::size_t count);
  bool empty() const { return head_ == buffer_.size(); }
  std::size_t size() const { return buffer_.size() - head_; }
  void clear();

 private:
  std::string buffer_;
  std::size_t head_ = 0;      // first byte not yet taken
  std::size_t searched_ = 0;  // no LF in [head_, searched_)
  std::size_t skipped_ = 0;   // bytes thrown away of a line that is too long
};

}  // namespace postwain::smtp
