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

// The first line of an mbox entry, which many programs pass on, also quoted: ">From me Mon …".
bool is_mbox_line(std::string_view line);

// Where the header section of content ends. Nothing: not in sight yet.
struct HeaderEnd {
  std::size_t header = 0;  // bytes of the fields
  std::size_t body = 0;    // where the body begins; equal to header when there is no empty line
  bool found = false;
};
// from: where an earlier call stopped; moved on. at_end: no more will come.
HeaderEnd find_header_end(std::string_view content, std::size_t& from, bool at_end);

}  // namespace postwain::tool
