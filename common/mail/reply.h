// A reply of an SMTP or LMTP server: code, enhanced status code (RFC 3463), text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace postwain::mail {

// x.y.z; the whole is absent when klass is 0.
struct EnhancedCode {
  std::uint8_t klass = 0;  // 2, 4 or 5
  std::uint16_t subject = 0;
  std::uint16_t detail = 0;

  bool present() const { return klass != 0; }
  std::string text() const;                          // "5.1.1", empty when absent
  static EnhancedCode parse(std::string_view text);  // absent when text is not one
  bool operator==(const EnhancedCode&) const = default;
};

struct Reply {
  int code = 0;  // 0: no reply
  EnhancedCode enhanced;
  std::string text;  // without code and enhanced code; lines joined with '\n'

  int severity() const { return code / 100; }
  bool positive() const { return code >= 200 && code < 300; }
  bool transient() const { return code >= 400 && code < 500; }
  bool permanent() const { return code >= 500 && code < 600; }
  // One line for logs, histories and DSNs: "550 5.1.1 no such user"; without the code
  // where no peer replied.
  std::string one_line() const;

  bool operator==(const Reply&) const = default;
};

}  // namespace postwain::mail
