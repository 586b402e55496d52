#include "common/content/content_fields.h"

#include <algorithm>

#include "common/base/text.h"

namespace postwain::mail {

namespace {

// Calls visit(line) for each unfolded-start line of the header section; a continuation line begins
// with white space.
template <class Visit>
void for_each_line(std::string_view header, Visit visit) {
  std::size_t start = 0;
  while (start < header.size()) {
    std::size_t end = header.find("\r\n", start);
    if (end == start) return;
    std::string_view line =
        header.substr(start, end == std::string_view::npos ? header.size() - start : end - start);
    visit(line);
    if (end == std::string_view::npos) return;
    start = end + 2;
  }
}

bool is_field(std::string_view line, std::string_view name) {
  if (!istarts_with(line, name)) return false;
  std::string_view rest = trim(line.substr(name.size()));
  return !rest.empty() && rest.front() == ':';
}

}  // namespace

std::size_t header_end(std::string_view content) {
  if (content.substr(0, 2) == "\r\n") return 2;
  std::size_t at = content.find("\r\n\r\n");
  return at == std::string_view::npos ? at : at + 4;
}

bool has_lone_line_end(std::string_view header) {
  for (std::size_t i = 0; i < header.size(); ++i) {
    bool pair = header[i] == '\r' && i + 1 < header.size() && header[i + 1] == '\n';
    if (pair)
      ++i;
    else if (header[i] == '\r' || header[i] == '\n')
      return true;
  }
  return false;
}

std::string whole_line_ends(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c != '\r' && c != '\n') {
      out += c;
      continue;
    }
    if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
    out += "\r\n";
  }
  return out;
}

// From one line end to the next: nearly all octets are passed over by memchr.
void LineEnds::take(std::string_view piece) {
  if (lone_ || piece.empty()) return;
  if (after_cr_) {
    if (piece.front() != '\n') lone_ = true;
    piece.remove_prefix(1);
    after_cr_ = false;
  }
  while (!lone_ && !piece.empty()) {
    std::size_t lf = piece.find('\n');
    std::string_view line = piece.substr(0, lf);
    std::size_t cr = line.find('\r');
    if (lf == std::string_view::npos) {
      after_cr_ = cr != std::string_view::npos && cr + 1 == line.size();
      lone_ = cr != std::string_view::npos && !after_cr_;
      return;
    }
    lone_ = cr == std::string_view::npos || cr + 1 != lf;
    piece.remove_prefix(lf + 1);
  }
}

std::size_t count_fields(std::string_view header, std::string_view name) {
  std::size_t count = 0;
  for_each_line(header, [&](std::string_view line) { count += is_field(line, name) ? 1 : 0; });
  return count;
}

std::string field_value(std::string_view header, std::string_view name) {
  std::string value;
  bool found = false;
  bool inside = false;
  for_each_line(header, [&](std::string_view line) {
    bool continuation = line.front() == ' ' || line.front() == '\t';
    if (continuation && inside) value += ' ' + std::string(trim(line));
    if (continuation) return;
    inside = !found && is_field(line, name);
    if (!inside) return;
    found = true;
    value = std::string(trim(line.substr(line.find(':') + 1)));
  });
  return value;
}

namespace {

// "from x (…) by HOSTNAME (Postwain) …", unfolded. What others write into theirs may hold the same
// words in a comment, or say hello as "by", and must not count: so comments are skipped, but for
// ours behind the name.
bool names_us(std::string_view field, std::string_view hostname) {
  constexpr std::string_view kOurs = "(Postwain";
  std::size_t depth = 0;
  bool by = false;
  std::size_t at = 0;
  while (at < field.size()) {
    char c = field[at];
    if (c == '(') ++depth;
    if (c == ')' && depth > 0) --depth;
    bool blank = c == ' ' || c == '\t';
    if (depth > 0 || c == ')' || blank) {
      ++at;
      continue;
    }
    if (c == ';') return false;
    std::size_t end = std::min(field.find_first_of(" \t(;", at), field.size());
    std::string_view word = field.substr(at, end - at);
    std::string_view behind = trim(field.substr(end));
    if (by && iequals(word, hostname) && istarts_with(behind, kOurs)) return true;
    by = iequals(word, "by");
    at = end;
  }
  return false;
}

}  // namespace

Hops count_hops(std::string_view header, std::string_view hostname) {
  Hops hops;
  std::string field;
  bool inside = false;
  auto finish = [&] {
    if (inside && names_us(field, hostname)) ++hops.own;
    inside = false;
  };
  for_each_line(header, [&](std::string_view line) {
    bool continuation = line.front() == ' ' || line.front() == '\t';
    if (continuation && inside) field += ' ' + std::string(trim(line));
    if (continuation) return;
    finish();
    inside = is_field(line, "Received");
    if (!inside) return;
    ++hops.all;
    field = std::string(trim(line.substr(line.find(':') + 1)));
  });
  finish();
  return hops;
}

bool is_double_bounce(std::string_view content) {
  return count_fields(content.substr(0, header_end(content)), kDoubleBounceField) > 0;
}

bool tls_required_no(std::string_view header) {
  return count_fields(header, "TLS-Required") == 1 &&
         iequals(trim(field_value(header, "TLS-Required")), "No");
}

}  // namespace postwain::mail
