// What the trace fields of a header section tell (RFC 5322 2.2): scanned from the content's first
// bytes, no MIME.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postwain::mail {

// End of the header section: index behind the empty line, or npos while it has not been seen.
std::size_t header_end(std::string_view content);
// How many fields of that name (any letter case) stand in the header section.
std::size_t count_fields(std::string_view header, std::string_view name);
// Unfolded value of the first field of that name, empty when there is none.
std::string field_value(std::string_view header, std::string_view name);

// A CR or LF that is not part of a CRLF. In a header section, where everything is lines, no reader
// agrees on what it means.
bool has_lone_line_end(std::string_view header);
// The same text with a CRLF in place of each lone CR or LF.
std::string whole_line_ends(std::string_view text);
// The same question of a text that comes in pieces, cut anywhere.
class LineEnds {
 public:
  void take(std::string_view piece);
  bool has_lone() const { return lone_ || after_cr_; }  // of the text so far, if it ends here

 private:
  bool after_cr_ = false;
  bool lone_ = false;
};

// How far a message has come: its Received fields, and those of a Postwain of this hostname
// ("Received: … by HOSTNAME (Postwain) …"), as smtpd, sendmail and qmgr write them.
struct Hops {
  std::size_t all = 0;
  std::size_t own = 0;
};
Hops count_hops(std::string_view header, std::string_view hostname);

// Stands in our reports to the postmaster about reports that found no reader. A message that bears
// it comes back from wherever it was sent; when it fails nobody is told any more.
constexpr std::string_view kDoubleBounceField = "X-Postwain-Double-Bounce";
bool is_double_bounce(std::string_view content);  // content: at least its header section

// Whether it says "TLS-Required: No" (RFC 8689 4). A field that stands there more than once, or
// says anything else, says nothing.
bool tls_required_no(std::string_view header);

}  // namespace postwain::mail
