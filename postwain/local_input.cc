#include "postwain/local_input.h"

#include "common/base/text.h"

namespace postwain::tool {

void LocalInput::feed(std::string_view bytes, std::string& out) {
  for (char c : bytes) {
    if (ended_) return;
    if (held_cr_) {
      held_cr_ = false;
      end_line(out);
      if (c == '\n' || ended_) continue;
    }
    if (c == '\r') {
      held_cr_ = true;
    } else if (c == '\n') {
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

void LocalInput::finish(std::string& out) {
  if (ended_) return;
  // A dot without a line end at the very end is the same dot.
  if (held_cr_ || held_dot_ || !line_start_) end_line(out);
  held_cr_ = false;
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

HeaderEnd find_header_end(std::string_view content, std::size_t& from, bool at_end) {
  for (;;) {
    std::size_t end = content.find("\r\n", from);
    if (end == std::string_view::npos)
      return at_end ? HeaderEnd{content.size(), content.size(), true} : HeaderEnd{};
    std::string_view line = content.substr(from, end - from);
    if (line.empty()) return HeaderEnd{from, from + 2, true};
    // The first line of an mbox entry, which many programs pass on.
    bool mbox = from == 0 && line.substr(0, 5) == "From ";
    bool continuation = from > 0 && (line.front() == ' ' || line.front() == '\t');
    if (!mbox && !continuation && !is_field_line(line)) return HeaderEnd{from, from, true};
    from = end + 2;
  }
}

}  // namespace postwain::tool
