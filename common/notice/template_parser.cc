#include "common/notice/template_parser.h"

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::notice {

namespace {

// Characters, not bytes, in front of this place.
std::size_t column_of(std::string_view line, std::size_t at) {
  std::size_t column = 1;
  for (char c : line.substr(0, at))
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) ++column;
  return column;
}

std::optional<Section> section_named(std::string_view name) {
  for (std::size_t i = 0; i < kSections; ++i)
    if (name_of(static_cast<Section>(i)) == name) return static_cast<Section>(i);
  return std::nullopt;
}

std::optional<Variable> variable_named(std::string_view name) {
  for (std::size_t i = 0; i < kVariables; ++i)
    if (name_of(static_cast<Variable>(i)) == name) return static_cast<Variable>(i);
  return std::nullopt;
}

bool is_subject(Section section) {
  return section >= Section::subject_failed && section <= Section::subject_postmaster;
}

bool knows(Section section, Variable variable) {
  if (section == Section::language || is_subject(section)) return false;
  if (variable == Variable::stage) return section == Section::answer;
  bool of_recipient =
      section == Section::answer || section == Section::note || section >= Section::reason_first;
  return of_recipient || variable < Variable::recipient;
}

std::string variables_of(Section section) {
  std::string out;
  for (std::size_t i = 0; i < kVariables; ++i) {
    if (!knows(section, static_cast<Variable>(i))) continue;
    if (!out.empty()) out += ", ";
    out += name_of(static_cast<Variable>(i));
  }
  return out.empty() ? "none" : out;
}

// Where the first byte stands that must not be in a text; npos when there is none.
std::size_t bad_byte(std::string_view line) {
  for (std::size_t i = 0; i < line.size(); ++i) {
    auto byte = static_cast<unsigned char>(line[i]);
    if ((byte < 0x20 && byte != '\t') || byte == 0x7F) return i;
  }
  if (is_valid_utf8(line)) return std::string_view::npos;
  for (std::size_t i = 0; i < line.size(); ++i)
    if (static_cast<unsigned char>(line[i]) >= 0x80) return i;
  return 0;
}

bool is_language_tag(std::string_view tag) {
  if (tag.empty() || tag.size() > 35 || !is_alpha(tag.front())) return false;
  for (char c : tag)
    if (!is_alnum(c) && c != '-') return false;
  return true;
}

}  // namespace

Template TemplateParser::run() {
  if (text_.size() > kTemplateMax) {
    error_at(1, 1, fmt::format("a template has at most {} bytes", kTemplateMax));
    return out_;
  }
  for (std::string_view one : split(text_, '\n')) {
    ++number_;
    if (!one.empty() && one.back() == '\r') one.remove_suffix(1);
    whole_ = one;
    line(one);
  }
  end_section();
  constexpr auto kLanguage = static_cast<std::size_t>(Section::language);
  if (seen_[kLanguage] == 0) {
    error_at(1, 1, "section [language] is missing");
  } else {
    out_.language_ = trim(out_.fill(Section::language, {}));
    check_language(out_.language_);
  }
  return std::move(out_);
}

void TemplateParser::require_all() {
  for (std::size_t i = 0; i < kSections; ++i)
    if (seen_[i] == 0)
      error_at(1, 1, fmt::format("section [{}] is missing", name_of(static_cast<Section>(i))));
}

void TemplateParser::line(std::string_view text) {
  if (std::size_t bad = bad_byte(text); bad != std::string_view::npos)
    return error(bad, "control characters and bytes that are not UTF-8 cannot stand in a notice");
  if (!text.empty() && text.front() == '#') return;
  if (!text.empty() && text.front() == '[') return heading(text);
  if (trim(text).empty()) {
    ++empty_lines_;
    return;
  }
  if (section_) return content(text);
  if (!skipping_) error(0, "text before the first [section]");
  skipping_ = true;
}

void TemplateParser::heading(std::string_view text) {
  end_section();
  skipping_ = true;
  std::size_t end = text.find(']');
  if (end == std::string_view::npos) return error(0, "the ']' of the section's name is missing");
  if (!trim(text.substr(end + 1)).empty())
    return error(end + 1, "nothing may follow the section's name");
  std::string_view name = text.substr(1, end - 1);
  std::optional<Section> section = section_named(name);
  if (!section) return error(1, fmt::format("unknown section [{}]", printable(name)));
  int& seen = seen_[static_cast<std::size_t>(*section)];
  if (seen != 0) return error(1, fmt::format("section [{}] already stands in line {}", name, seen));
  seen = number_;
  section_ = section;
  section_line_ = number_;
  skipping_ = false;
}

void TemplateParser::content(std::string_view text) {
  std::string literal;
  if (!pieces_.empty()) literal.assign(empty_lines_ + 1, '\n');
  empty_lines_ = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '$') {
      literal += text[i] == '\t' ? ' ' : text[i];
      ++i;
    } else if (text.substr(i, 2) == "$$") {
      literal += '$';
      i += 2;
    } else {
      std::size_t length = variable(text, i);
      if (length == 0) return pieces_.push_back({});  // reported; the section is not empty
      auto known = variable_named(text.substr(i + 2, length - 3));
      pieces_.push_back({std::move(literal), true, *known});
      literal.clear();
      i += length;
    }
  }
  pieces_.push_back({std::move(literal), false, {}});
}

std::size_t TemplateParser::variable(std::string_view text, std::size_t at) {
  std::size_t end = text.find('}', at);
  if (text.substr(at, 2) != "${" || end == std::string_view::npos) {
    error(at, "'$' begins a variable, as in ${hostname}; a dollar sign is written $$");
    return 0;
  }
  std::string_view name = text.substr(at + 2, end - at - 2);
  std::optional<Variable> known = variable_named(name);
  if (known && knows(*section_, *known)) return end + 1 - at;
  error(at,
        fmt::format("{} variable '{}' in [{}] (known here: {})", known ? "misplaced" : "unknown",
                    printable(name), name_of(*section_), variables_of(*section_)));
  return 0;
}

void TemplateParser::end_section() {
  if (section_) {
    std::string name = name_of(*section_);
    if (pieces_.empty()) {
      error_at(section_line_, 2, fmt::format("section [{}] is empty", name));
    } else if (is_subject(*section_)) {
      const std::string& subject = pieces_.front().literal;
      if (pieces_.size() > 1)
        error_at(section_line_, 2, fmt::format("[{}] must be one line", name));
      else if (column_of(subject, subject.size()) > kSubjectMax)
        error_at(section_line_, 2,
                 fmt::format("[{}] has more than {} characters", name, kSubjectMax));
    }
    out_.sections_[static_cast<std::size_t>(*section_)] = std::move(pieces_);
  }
  pieces_.clear();
  section_.reset();
  empty_lines_ = 0;
}

void TemplateParser::check_language(const std::string& tag) {
  if (is_language_tag(tag)) return;
  error_at(seen_[static_cast<std::size_t>(Section::language)], 2,
           "[language] must be a tag such as en, de or pt-BR");
}

void TemplateParser::error(std::size_t at, std::string message) {
  error_at(number_, column_of(whole_, at), std::move(message));
}

void TemplateParser::error_at(int line, std::size_t column, std::string message) {
  mistakes_.push_back({line, static_cast<int>(column), std::move(message)});
}

}  // namespace postwain::notice
