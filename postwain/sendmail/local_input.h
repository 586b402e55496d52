// What a program writes to sendmail's standard input, made into content: CRLF lines, cut at the
// lone dot. Bytes in, bytes out; pure.
#pragma once

#include <string>
#include <string_view>

namespace postwain::tool {

class LocalInput {
 public:
  // dot_is_data: -i, a line with a single dot is content.
  explicit LocalInput(bool dot_is_data) : dot_is_data_(dot_is_data) {}

  // Appends to out. LF, CRLF, CR CR LF and a lone CR all end a line, since no lone one may leave
  // us.
  void feed(std::string_view bytes, std::string& out);
  void finish(std::string& out);  // end of the input: completes the last line

  bool ended() const { return ended_; }  // the lone dot was seen; what follows is ignored
  bool eight_bit() const { return eight_bit_; }

 private:
  void end_line(std::string& out);
  void end_held_lines(bool before_lf, std::string& out);

  bool dot_is_data_;
  bool line_start_ = true;
  bool held_dot_ = false;  // the line is "." so far
  std::size_t held_crs_ = 0;
  bool ended_ = false;
  bool eight_bit_ = false;
};

}  // namespace postwain::tool
