// The body that a filter gives, with line ends as they have to be: each LF and each CR that stands
// alone becomes CRLF, and the last line gets its own. Pure.
#pragma once

#include <string>
#include <string_view>

namespace postwain::filter {

class BodyLines {
 public:
  // What is certain of the body so far, behind what was given before.
  std::string take(std::string_view piece);
  // The rest; afterwards the object is new.
  std::string finish();

 private:
  bool after_cr_ = false;  // a CR is not given yet: an LF may belong to it
  bool line_begins_ = true;
};

}  // namespace postwain::filter
