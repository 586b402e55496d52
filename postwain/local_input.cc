#include "postwain/local_input.h"

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

namespace {

// field-name ":" (RFC 5322 2.2); white space before the colon is the obsolete form.
bool is_field_line(std::string_view line) {
  std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || line.front() == ' ' || line.front() == '\t') return false;
  std::string_view name = trim(line.substr(0, colon));
  if (name.empty()) return false;
  for (char c : name)
    if (static_cast<unsigned char>(c) < 0x21 || static_cast<unsigned char>(c) > 0x7E) return false;
  return true;
}

}  // namespace

bool is_mbox_line(std::string_view line) {
  if (!line.empty() && line.front() == '>') line.remove_prefix(1);
  return line.substr(0, 5) == "From ";
}

HeaderEnd find_header_end(std::string_view content, std::size_t& from, bool at_end) {
  for (;;) {
    std::size_t end = content.find("\r\n", from);
    if (end == std::string_view::npos)
      return at_end ? HeaderEnd{content.size(), content.size(), true} : HeaderEnd{};
    std::string_view line = content.substr(from, end - from);
    if (line.empty()) return HeaderEnd{from, from + 2, true};
    bool mbox = from == 0 && is_mbox_line(line);
    bool continuation = from > 0 && (line.front() == ' ' || line.front() == '\t');
    if (!mbox && !continuation && !is_field_line(line)) return HeaderEnd{from, from, true};
    from = end + 2;
  }
}

}  // namespace postwain::tool
