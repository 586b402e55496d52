#include "common/mail/content_fields.h"

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

bool tls_required_no(std::string_view header) {
  return count_fields(header, "TLS-Required") == 1 &&
         iequals(trim(field_value(header, "TLS-Required")), "No");
}

}  // namespace postwain::mail
