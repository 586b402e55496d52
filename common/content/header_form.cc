#include "common/content/header_form.h"

#include <algorithm>

#include "common/base/text.h"

namespace postwain::mail {

namespace {

bool is_white(std::string_view line) {
  return !line.empty() && (line.front() == ' ' || line.front() == '\t');
}

// Of a line whose end has not come: no end could make a field of it any more.
bool is_no_field_already(std::string_view begun) {
  return begun.size() > kFieldNameMax && !is_field_line(begun);
}

}  // namespace

bool is_field_line(std::string_view line) {
  std::size_t colon = line.substr(0, kFieldNameMax + 1).find(':');
  if (colon == std::string_view::npos || is_white(line)) return false;
  std::string_view name = trim(line.substr(0, colon));
  if (name.empty()) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

bool is_mbox_line(std::string_view line) {
  line = line.substr(0, kFieldNameMax + 1);
  line.remove_prefix(std::min(line.find_first_not_of('>'), line.size()));
  return line.substr(0, 5) == "From " && !is_field_line(line);
}

HeaderLine header_line(std::string_view line, bool first, bool ended) {
  if (line.empty()) return ended ? HeaderLine::empty : HeaderLine::open;
  if (!first && is_white(line)) return HeaderLine::continuation;
  if (is_field_line(line)) return HeaderLine::field;
  if (first && is_mbox_line(line)) return HeaderLine::mbox;
  return ended || line.size() > kFieldNameMax ? HeaderLine::none : HeaderLine::open;
}

HeaderEnd find_header_end(std::string_view content, std::size_t& from, bool at_end) {
  for (;;) {
    std::size_t end = content.find("\r\n", from);
    bool whole = end != std::string_view::npos;
    std::string_view line = content.substr(from, whole ? end - from : end);
    HeaderLine kind = header_line(line, from == 0, whole || at_end);
    if (kind == HeaderLine::none) return HeaderEnd{from, from, true};
    if (kind == HeaderLine::empty && whole) return HeaderEnd{from, from + 2, true};
    if (!whole) return at_end ? HeaderEnd{content.size(), content.size(), true} : HeaderEnd{};
    from = end + 2;
  }
}

std::optional<std::string_view> needed_before(std::string_view content, bool at_end) {
  constexpr std::string_view kNothing;
  constexpr std::string_view kEmptyLine = "\r\n";
  if (content.empty()) return at_end ? std::optional(kNothing) : std::nullopt;
  if (is_white(content)) return kEmptyLine;
  std::size_t end = content.find("\r\n");
  std::string_view line = content.substr(0, end);
  if (end == 0 || is_field_line(line)) return kNothing;
  if (end == std::string_view::npos && !at_end && !is_no_field_already(line)) return std::nullopt;
  return is_mbox_line(line) ? kMboxField : kEmptyLine;
}

std::string without_fields(std::string_view header, std::initializer_list<std::string_view> names) {
  std::string out;
  bool dropped = false;
  while (!header.empty()) {
    std::size_t end = header.find("\r\n");
    std::string_view line = header.substr(0, end == std::string_view::npos ? end : end + 2);
    header.remove_prefix(line.size());
    if (!is_white(line)) {
      std::string_view name = trim(line.substr(0, line.find(':')));
      dropped = is_field_line(line) && std::any_of(names.begin(), names.end(),
                                                   [&](auto one) { return iequals(name, one); });
    }
    if (!dropped) out += line;
  }
  return out;
}

}  // namespace postwain::mail
