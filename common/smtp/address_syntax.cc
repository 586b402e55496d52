#include "common/smtp/address_syntax.h"

#include "common/base/text.h"
#include "common/smtp/domain_syntax.h"
#include "common/smtp/server_limits.h"

namespace postwain::smtp {

namespace {

constexpr std::size_t kBad = std::string_view::npos;

// atext of RFC 5322 3.2.3, and UTF8-non-ascii (RFC 6531 3.3).
bool is_atext(char c) {
  return is_alnum(c) || static_cast<unsigned char>(c) > 127 ||
         (c != '\0' && std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos);
}

// Dot-string = Atom *("."  Atom)
// Length of the Dot-string at the start of text, or kBad.
std::size_t dot_string_size(std::string_view text) {
  std::size_t i = 0;
  for (;;) {
    std::size_t atom = i;
    while (i < text.size() && is_atext(text[i])) ++i;
    if (i == atom) return kBad;
    if (i == text.size() || text[i] != '.') return i;
    ++i;
  }
}

// Quoted-string = DQUOTE *QcontentSMTP DQUOTE
// QcontentSMTP = qtextSMTP / quoted-pairSMTP    quoted-pairSMTP = "\" %d32-126
// qtextSMTP = %d32-33 / %d35-91 / %d93-126 / UTF8-non-ascii
std::size_t quoted_string_size(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    if (c == '"') return i + 1;
    if (c < 32 || c == 127) return kBad;
    if (c != '\\') continue;
    if (++i == text.size() || text[i] < 32 || text[i] > 126) return kBad;
  }
  return kBad;
}

// Local-part = Dot-string / Quoted-string
std::size_t local_part_size(std::string_view text) {
  if (text.empty()) return kBad;
  return text.front() == '"' ? quoted_string_size(text) : dot_string_size(text);
}

// A-d-l = At-domain *( "," At-domain )    At-domain = "@" Domain
// Path  = "<" [ A-d-l ":" ] Mailbox ">"
// Length of the source route with its colon, 0 when there is none.
std::size_t source_route_size(std::string_view text) {
  if (text.empty() || text.front() != '@') return 0;
  std::size_t i = 0;
  for (;;) {
    if (i == text.size() || text[i] != '@') return kBad;
    std::size_t end = text.find_first_of(",:", i);
    if (end == std::string_view::npos || !is_domain(text.substr(i + 1, end - i - 1))) return kBad;
    i = end + 1;
    if (text[end] == ':') return i;
  }
}

// Where the bracket is that closes the path: the first '>' outside a quoted string.
std::size_t closing_bracket(std::string_view text) {
  bool quoted = false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (quoted && text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (text[i] == '>' && !quoted)
      return i;
  }
  return kBad;
}

}  // namespace

// Mailbox = Local-part "@" ( Domain / address-literal )
std::optional<mail::Address> parse_mailbox(std::string_view text) {
  std::size_t local = local_part_size(text);
  if (local > kLocalPartMax || local >= text.size() || text[local] != '@') return std::nullopt;
  std::string_view domain = text.substr(local + 1);
  if (!is_domain(domain) && !is_address_literal(domain)) return std::nullopt;
  if (text.size() + 2 > kPathMax || !is_valid_utf8(text)) return std::nullopt;
  return mail::Address(text.substr(0, local), domain);
}

std::string local_in_wire_form(std::string_view unquoted) {
  if (dot_string_size(unquoted) == unquoted.size()) return std::string(unquoted);
  std::string out = "\"";
  for (char c : unquoted) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// Reverse-path = Path / "<>"    Forward-path = Path    RCPT also: "<Postmaster>" in any letter case
std::optional<ParsedPath> parse_path(std::string_view text, PathKind kind) {
  if (text.empty() || text.front() != '<') return std::nullopt;
  std::size_t close = closing_bracket(text);
  if (close == kBad) return std::nullopt;
  std::string_view inner = text.substr(1, close - 1);
  std::size_t size = close + 1;
  if (inner.empty())
    return kind == PathKind::reverse ? std::optional(ParsedPath{{}, size}) : std::nullopt;
  if (kind == PathKind::forward && iequals(inner, "postmaster"))
    return ParsedPath{mail::Address(inner, {}), size};
  std::size_t route = source_route_size(inner);
  if (route == kBad) return std::nullopt;
  auto mailbox = parse_mailbox(inner.substr(route));
  if (!mailbox) return std::nullopt;
  return ParsedPath{*std::move(mailbox), size};
}

}  // namespace postwain::smtp
