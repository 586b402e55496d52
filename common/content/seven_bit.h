// Makes a message 7-bit for a next hop that takes nothing else (RFC 6152 3, RFC 3030 3): bodies of
// parts become quoted-printable or base64, the fields that say so are rewritten, all other octets
// stay. Streaming: memory is bounded whatever the message's size. Pure.
//
// Parts that are 7-bit by their own word already (base64, quoted-printable) stay untouched. Octets
// above 127 in header sections become encoded words (RFC 2047); where MIME allows no encoding at
// all (preambles, message/partial) they become "?". A signature over what is encoded anew breaks;
// that is the price the standard sets.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/content/transfer_encoding.h"

namespace postwain::mail {

constexpr std::size_t kPartHeaderMax = 256U << 10;  // a longer header section is taken for body
constexpr std::size_t kPartDepthMax = 100;          // parts within parts; deeper ones are one body

class SevenBit {
 public:
  // keep_utf8_fields: fields in UTF-8 stay as they are, as those of a message with SMTPUTF8 may
  // (RFC 6532); what comes out is 7-bit but for them.
  explicit SevenBit(bool keep_utf8_fields = false) : keep_utf8_fields_(keep_utf8_fields) {}

  // Appends what can be said by now. What comes out holds CR and LF only as CRLF.
  void convert(std::string_view content, std::string& out);
  void finish(std::string& out);

 private:
  enum class State { header, copy, quoted_printable, base64 };

  void take_line(std::string_view line, bool whole, std::string& out);
  void header_line(std::string_view line, bool whole, std::string& out);
  void body_line(std::string_view line, bool whole, std::string& out);
  bool take_boundary(std::string_view line, std::string& out);
  void end_header(std::string& out);
  void end_body(std::string& out);
  void copy(std::string_view text, std::string& out, bool as_it_is = false);
  void copy_field(std::string_view field, std::string& out);

  bool keep_utf8_fields_;
  State state_ = State::header;
  bool top_ = true;                      // the header section of the message itself
  std::string line_;                     // of which no end has come
  bool line_begun_ = false;              // its beginning has been taken
  bool after_cr_ = false;                // of what was copied
  std::string line_end_;                 // CRLF that may belong to a boundary
  std::string header_;                   // the header section so far
  std::vector<std::string> boundaries_;  // "--boundary", outermost first
  QuotedPrintable quoted_printable_;
  Base64Lines base64_;
};

}  // namespace postwain::mail
