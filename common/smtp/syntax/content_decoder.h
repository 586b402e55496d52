// From the wire to the content of a message, for both ways it comes: DotDecoder for DATA (RFC 5321
// 4.1.1.4, 4.5.2) and ChunkDecoder for BDAT (RFC 3030). Both are streaming: they may be fed in
// pieces of any size, and they append to the caller's buffer in large spans.
//
// End of data is CRLF.CRLF and nothing else. A lone CR or LF in DATA is content, makes no line, and
// is noted: the message is refused after its true end (SMTP smuggling, CVE-2023-51764 and its
// family: a decoder that ends at LF.LF obeys the rest of the message as commands).
//
// BDAT counts octets, so nothing can be smuggled past its end. There a lone LF is taken for the
// line end it was meant to be and becomes CRLF: a large provider passes such content on as it got
// it, but only to servers that offer CHUNKING. The next hop meets whole lines only. A lone CR means
// no line end to anybody now, and is noted as in DATA. No limit on the size here and no opinion
// about the message; the engine has both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postwain::smtp {

class DotDecoder {
 public:
  // Decodes wire bytes and appends the content to *out; with out == nullptr the content is thrown
  // away. Returns how much of the input was used: all of it, unless the end was found in it.
  std::size_t decode(std::string_view wire, std::string* out);
  bool ended() const { return state_ == State::ended; }
  bool lone_cr_or_lf() const { return lone_; }

 private:
  // What was seen last. A CR that may belong to the end of data is held back in line_dot_cr only.
  enum class State : std::uint8_t { line_start, line_dot, line_dot_cr, inside, inside_cr, ended };
  State state_ = State::line_start;
  bool lone_ = false;
};

class ChunkDecoder {
 public:
  // Appends bytes of a chunk, a lone LF as CRLF; knows a CRLF that two chunks share.
  void decode(std::string_view bytes, std::string* out);
  // After the last chunk. Adds the CRLF that a last line lacks: DATA at the next hop would add it
  // anyway, and then the content would differ from hop to hop. A second call adds nothing.
  void finish(std::string* out);
  bool lone_cr() const { return lone_; }

 private:
  bool after_cr_ = false;
  bool line_open_ = false;  // the last bytes seen were not CRLF
  bool lone_ = false;
};

}  // namespace postwain::smtp
