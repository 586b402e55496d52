// What a body has that another server would not pass on as it is, so that a signature over it would
// break: octets above 127, and lines longer than RFC 5322 2.1.1 allows. Fed in pieces. Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace postwain::agent {

class LineLook {
 public:
  static constexpr std::size_t kLineMax = 998;  // octets, without the CRLF

  void take(std::string_view body);
  bool eight_bit() const { return eight_bit_; }
  bool long_line() const { return long_line_; }

 private:
  std::size_t line_ = 0;  // octets of the line under way
  bool eight_bit_ = false;
  bool long_line_ = false;
};

}  // namespace postwain::agent
