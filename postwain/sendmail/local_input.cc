#include "postwain/sendmail/local_input.h"

#include "common/base/text.h"

namespace postwain::tool {

void LocalInput::feed(std::string_view bytes, std::string& out) {
  for (char c : bytes) {
    if (ended_) return;
    if (c == '\r') {
      ++held_crs_;
      continue;
    }
    if (held_crs_ > 0) {
      end_held_lines(c == '\n', out);
      if (c == '\n' || ended_) continue;
    }
    if (c == '\n') {
      end_line(out);
    } else if (c == '.' && line_start_ && !dot_is_data_) {
      held_dot_ = true;
      line_start_ = false;
    } else {
      if (held_dot_) out += '.';
      held_dot_ = false;
      line_start_ = false;
      eight_bit_ = eight_bit_ || static_cast<unsigned char>(c) > 127;
      out += c;
    }
  }
}

void LocalInput::end_line(std::string& out) {
  if (held_dot_) {
    ended_ = true;
    return;
  }
  out += "\r\n";
  line_start_ = true;
}

// However many CR stand before an LF they are one line end: programs that convert twice write so.
void LocalInput::end_held_lines(bool before_lf, std::string& out) {
  std::size_t lines = before_lf ? 1 : held_crs_;
  held_crs_ = 0;
  for (std::size_t i = 0; i < lines && !ended_; ++i) end_line(out);
}

void LocalInput::finish(std::string& out) {
  if (ended_) return;
  // A dot without a line end at the very end is the same dot.
  if (held_crs_ > 0)
    end_held_lines(false, out);
  else if (held_dot_ || !line_start_)
    end_line(out);
}

}  // namespace postwain::tool
