// Content as it travels after DATA (RFC 5321 4.5.2): dots at line starts doubled, closed by a line
// with a single dot. Streams: chunks may end anywhere. No I/O.
//
// What leaves here holds CR and LF only as CRLF, whatever came in: a lone CR or LF (our own smtpd
// lets none pass) becomes CRLF, so that no peer with a lax idea of line ends can be made to see a
// second message in it (SMTP smuggling, CVE-2023-51764).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace postwain::smtp {

class DotEncoder {
 public:
  void encode(std::string_view chunk, std::string& out);
  // The end of data; adds a line end first when the content lacks one. Ready for the next content
  // afterwards.
  void finish(std::string& out);

 private:
  enum class At : std::uint8_t { line_start, inside, after_cr };
  At at_ = At::line_start;
};

}  // namespace postwain::smtp
