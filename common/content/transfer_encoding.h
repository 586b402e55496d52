// The encodings that make content 7-bit (RFC 2045 6.7, 6.8), streaming: pieces may end anywhere.
// Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postwain::mail {

constexpr std::size_t kEncodedLineMax = 76;  // RFC 2045 6.7 (5), 6.8

// Text with CRLF line ends; a lone CR or LF is an octet like any other.
class QuotedPrintable {
 public:
  void encode(std::string_view text, std::string& out);
  void finish(std::string& out);  // what was held back; a new text may begin then

 private:
  void put(char c, bool plain, std::string& out);
  std::size_t column_ = 0;
  char held_ = '\0';  // a blank or CR: what it becomes depends on what follows
};

// Any octets, as lines of base64.
class Base64Lines {
 public:
  void encode(std::string_view bytes, std::string& out);
  void finish(std::string& out);

 private:
  std::string rest_;  // of a line that is not full
};

}  // namespace postwain::mail
