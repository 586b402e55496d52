// A header section field by field, while it comes in (RFC 5322 2.2). What a line is, and where the
// section ends, is the rule of header_form.h; a field is whole when the line after it has come.
// Nothing is changed: the texts of all fields, one after the other, are the section, but for an
// mbox line in front of it, which is no field. Pure; CRLF lines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postwain::mail {

struct HeaderField {
  std::string_view text;   // all of it as it came, with its folds and its last CRLF
  std::string_view name;   // without white space before the colon
  std::string_view value;  // behind the colon, with its folds, without the last CRLF
};

class HeaderReader {
 public:
  // The octets that follow, up to a line end and not beyond it. Only after next_field() was false
  // (nor has finish() been called).
  void append(std::string_view octets);
  // No more will come.
  void finish() { at_end_ = true; }
  // So many octets decide what the line under way is; 0: it is known, or its end will decide. Who
  // cuts what he appends there, too, gets the same answers however the network cuts.
  std::size_t undecided() const;

  // Goes on to the next field that is whole; false: there is none yet, or none any more.
  bool next_field();
  // That field, until the next call of another function here.
  HeaderField field() const;
  // The section has ended: after next_field() was false, no field follows.
  bool ended() const { return ended_; }

 private:
  void judge(bool line_ended);
  void judge_rest();

  std::string buffer_;      // the field that is whole, the field under way, the line under way
  std::size_t ready_ = 0;   // octets of the field that is whole
  std::size_t line_ = 0;    // where the line under way begins
  bool taken_ = false;      // next_field() has given the field that is whole
  bool first_line_ = true;  // none has ended
  bool at_end_ = false;     // finish() was called
  bool ended_ = false;
};

}  // namespace postwain::mail
