// Reads the text of a template (template.h has the grammar) and finds every mistake in it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/notice/template.h"

namespace postwain::notice {

class TemplateParser {
 public:
  TemplateParser(std::string_view text, std::vector<Mistake>& mistakes)
      : text_(text), mistakes_(mistakes) {}

  Template run();
  // After run(): what is missing is a mistake, too.
  void require_all();

 private:
  void line(std::string_view text);
  void heading(std::string_view text);
  void content(std::string_view text);
  // The variable at text[at], which is '$'; its length, 0 when it is none.
  std::size_t variable(std::string_view text, std::size_t at);
  void end_section();
  void check_language(const std::string& tag);
  void error(std::size_t column, std::string message);
  void error_at(int line, std::size_t column, std::string message);

  std::string_view text_;
  std::vector<Mistake>& mistakes_;
  Template out_;
  int number_ = 0;          // of the line
  std::string_view whole_;  // the line, for columns
  std::optional<Section> section_;
  bool skipping_ = false;  // behind a heading that is a mistake
  int section_line_ = 0;
  std::array<int, kSections> seen_{};    // line of the heading, 0: not yet
  std::vector<Template::Piece> pieces_;  // of the section that is open
  std::size_t empty_lines_ = 0;          // not yet added: those at the end do not count
};

}  // namespace postwain::notice
