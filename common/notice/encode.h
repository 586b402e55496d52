// Text for the parts and fields of a notice: strangers' words made safe, lines filled, and the
// encodings of MIME (RFC 2045 6.7, RFC 2047). Pure; "width" counts characters, not bytes.
#pragma once

#include <string>
#include <string_view>

namespace postwain::notice {

constexpr std::size_t kWidth = 76;
constexpr std::size_t kWordMax = 900;  // bytes; a longer word is cut, for a line has at most 998

// Valid UTF-8 without control characters: what is none becomes \xHH; at most max_bytes (about).
// Backslashes stay as they are.
std::string harmless(std::string_view text, std::size_t max_bytes);
// UTF-8 to ASCII: every other character becomes \x{HEX}.
std::string ascii_of(std::string_view utf8);

// Words, separated by single line ends or blanks, in lines of at most kWidth with this indent. With
// a final line end; CRLF.
std::string filled(std::string_view words, std::size_t indent);
// Text of a template: paragraphs are filled, lines that begin with a blank stay. CRLF.
std::string paragraphs(std::string_view text, std::size_t indent);
// One line of a reply as it came, unless it is too long; what goes on in a new line stands two
// further in.
std::string quoted_line(std::string_view line, std::size_t indent);

// A field, folded (RFC 5322 2.2.3); '\n' in the value asks for a fold. Lines of blanks are never
// made: some readers take them for the end of the fields.
std::string folded_field(std::string_view name, std::string_view value);

// text with CRLF line ends.
std::string quoted_printable(std::string_view text);
// An unstructured field's value, ASCII: as it is, or in encoded words.
std::string encoded_words(std::string_view utf8);

}  // namespace postwain::notice
