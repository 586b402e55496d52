#include "common/smtp/syntax/address_syntax.h"

#include "common/base/text.h"
#include "common/mail/idn.h"
#include "common/smtp/syntax/domain_syntax.h"
#include "common/smtp/syntax/server_limits.h"

namespace postwain::smtp {

namespace {

constexpr std::size_t kBad = std::string_view::npos;

// atext of RFC 5322 3.2.3, and UTF8-non-ascii (RFC 6531 3.3).
bool is_atext(char c) {
  return is_alnum(c) || static_cast<unsigned char>(c) > 127 ||
         (c != '\0' && std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos);
}

// Dot-string = Atom *("."  Atom); here the dots may stand anywhere between, before and behind
// atoms. Length of the Dot-string at the start of text, or kBad.
std::size_t dot_string_size(std::string_view text) {
  std::size_t i = 0;
  bool atom = false;
  for (; i < text.size() && (is_atext(text[i]) || text[i] == '.'); ++i)
    atom = atom || text[i] != '.';
  return atom ? i : kBad;
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

namespace {

PathProblem problem_of(std::string_view text, std::size_t local, std::string_view domain) {
  if (local == kBad || !is_valid_utf8(text)) return PathProblem::syntax;
  if (local > kLocalPartMax) return PathProblem::too_long;
  if (local == text.size()) return PathProblem::no_domain;
  if (text[local] != '@') return PathProblem::syntax;
  if (domain.size() > kDomainMax) return PathProblem::too_long;
  if (!is_domain(domain) && !is_address_literal(domain)) return PathProblem::syntax;
  // What has no canonical form could be written past a rule (mail::domain_key), and nobody can look
  // it up.
  if (!is_ascii(domain) && !mail::to_ascii(domain)) return PathProblem::bad_name;
  return PathProblem::none;
}

std::optional<ParsedPath> fail(PathProblem* problem, PathProblem what) {
  if (problem != nullptr) *problem = what;
  return std::nullopt;
}

// What stands between the brackets.
std::optional<ParsedPath> parse_inner(std::string_view inner, PathKind kind, std::size_t size,
                                      PathProblem* problem) {
  if (inner.empty() && kind == PathKind::reverse) return ParsedPath{{}, size};
  if (kind == PathKind::forward && iequals(inner, "postmaster"))
    return ParsedPath{mail::Address(inner, {}), size};
  std::size_t route = source_route_size(inner);
  if (route == kBad) return fail(problem, PathProblem::syntax);
  auto mailbox = parse_mailbox(inner.substr(route), problem);
  if (!mailbox) return std::nullopt;
  return ParsedPath{*std::move(mailbox), size};
}

}  // namespace

std::string local_in_wire_form(std::string_view unquoted) {
  // Dots that RFC 5321 allows between atoms only are taken from others, and not sent by us.
  bool strict = !unquoted.empty() && unquoted.front() != '.' && unquoted.back() != '.' &&
                unquoted.find("..") == std::string_view::npos;
  if (strict && dot_string_size(unquoted) == unquoted.size()) return std::string(unquoted);
  std::string out = "\"";
  for (char c : unquoted) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// Mailbox = Local-part "@" ( Domain / address-literal )
std::optional<mail::Address> parse_mailbox(std::string_view text, PathProblem* problem) {
  std::size_t local = local_part_size(text);
  std::string_view domain;
  if (local < text.size()) domain = text.substr(local + 1);
  if (domain.size() > 1 && domain.back() == '.') domain.remove_suffix(1);
  PathProblem found = problem_of(text, local, domain);
  if (problem != nullptr) *problem = found;
  if (found != PathProblem::none) return std::nullopt;
  return mail::Address(text.substr(0, local), domain);
}

// Reverse-path = Path / "<>"    Forward-path = Path    RCPT also: "<Postmaster>" in any letter case
std::optional<ParsedPath> parse_path(std::string_view text, PathKind kind, PathProblem* problem) {
  if (text.empty() || text.front() != '<') return fail(problem, PathProblem::no_brackets);
  std::size_t close = closing_bracket(text);
  if (close == kBad) return fail(problem, PathProblem::no_brackets);
  return parse_inner(text.substr(1, close - 1), kind, close + 1, problem);
}

std::optional<ParsedPath> parse_bare_path(std::string_view text, PathKind kind,
                                          std::string_view origin, PathProblem* problem) {
  bool brackets = !text.empty() && text.front() == '<';
  std::size_t size = brackets ? closing_bracket(text) : text.find(' ');
  if (brackets && size == kBad) return fail(problem, PathProblem::no_brackets);
  std::string_view inner = text.substr(brackets ? 1 : 0, brackets ? size - 1 : size);
  if (inner.empty() && !brackets) return fail(problem, PathProblem::no_brackets);
  size = brackets ? size + 1 : inner.size();
  PathProblem found = PathProblem::none;
  auto path = parse_inner(inner, kind, size, &found);
  if (found == PathProblem::no_domain)
    path = parse_inner(std::string(inner) + '@' + std::string(origin), kind, size, &found);
  if (problem != nullptr) *problem = found;
  return path;
}

}  // namespace postwain::smtp
