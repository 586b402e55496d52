// Where a header section begins and ends when what comes is no proper message: text of a device
// without any header, a first line that is blank or indented, the "From " line of an mbox file
// (RFC 5322 2.2; RFC 7103 7). One rule for all that comes in, by SMTP and by sendmail, so that
// fields of ours in front of it stay ours. Pure; CRLF lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace postwain::mail {

// Octets before a field's colon, at most: so a line is known to be no field before its end comes,
// and it makes no difference how much of it has come at once.
constexpr std::size_t kFieldNameMax = 1000;

// field-name ":" (RFC 5322 2.2); white space before the colon is the obsolete form.
bool is_field_line(std::string_view line);
// "From alice Mon Nov 14 …", also with ">" in front as some programs quote it.
bool is_mbox_line(std::string_view line);

// What a line means that comes while the header section has not ended.
enum class HeaderLine : std::uint8_t {
  field,         // a field begins
  continuation,  // of the line before
  mbox,          // a first line that is passed over
  empty,         // the section has ended, and the body begins after this line
  none,          // no field: the section has ended, and the body begins with this line
  open,          // cannot be told before more of the line has come
};
// line: without its CRLF. ended: its CRLF, or the end of the content, has come.
HeaderLine header_line(std::string_view line, bool first, bool ended);

// Where the header section of content ends. Nothing: not in sight yet.
struct HeaderEnd {
  std::size_t header = 0;  // bytes of the fields
  std::size_t body = 0;    // where the body begins; equal to header when there is no empty line
  bool found = false;
};
// The section ends at an empty line, or at the first line that is no field (a first line that is an
// mbox line is passed over). from: where an earlier call stopped; moved on. at_end: no more will
// come. header_reader.h gives the fields themselves, by the same rule.
HeaderEnd find_header_end(std::string_view content, std::size_t& from, bool at_end);

// What has to be put in front of content, so that fields may be put before that: "\r\n" where it
// begins with white space or with no field (it is all body then), the name of a field where it
// begins with an mbox line, and nothing where it is as it should be. No value: too little has come
// to tell.
std::optional<std::string_view> needed_before(std::string_view content, bool at_end);
constexpr std::string_view kMboxField = "X-Mailbox-Line: ";

// The header section without all fields of these names, in any letter case. header: fields only.
std::string without_fields(std::string_view header, std::initializer_list<std::string_view> names);

}  // namespace postwain::mail
