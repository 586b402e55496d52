#include "filter/deciding/body_lines.h"

namespace postwain::filter {

std::string BodyLines::take(std::string_view piece) {
  std::string out;
  out.reserve(piece.size() + piece.size() / 32);
  for (char c : piece) {
    if (after_cr_ || c == '\n') {
      out += "\r\n";
      line_begins_ = true;
    }
    bool is_line_end = c == '\n';
    after_cr_ = c == '\r';
    if (is_line_end || after_cr_) continue;
    out += c;
    line_begins_ = false;
  }
  return out;
}

std::string BodyLines::finish() {
  bool owes_line_end = after_cr_ || !line_begins_;
  *this = {};
  return owes_line_end ? "\r\n" : "";
}

}  // namespace postwain::filter
