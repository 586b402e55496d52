// The words of a notice in one language: a text file of named sections with variables, checked as a
// whole when it is read, so that a notice never meets a mistake.
//
//   # a comment
//   [failed]
//   Your message of ${arrived} could not be delivered.
//
// A paragraph is filled to the width of the notice; a line that begins with a blank stays as it
// is. "$$" is a dollar sign. The first paragraph of a [reason.*] section says what happened; those
// after it say what to do, and stand in notices of failure only.
//
// It does not choose sections and knows no values (dsn_text.h). Pure. Sections and variables are
// described in postwain.toml(5).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/mail/outcome.h"

#include "common/notice/reason.h"

namespace postwain::notice {

constexpr std::size_t kTemplateMax = 64U << 10;
constexpr std::size_t kSubjectMax = 200;  // characters of a subject

enum class Section : std::uint8_t {
  language,
  subject_failed,
  subject_delayed,
  subject_success,
  subject_postmaster,
  opening,
  postmaster,
  failed,
  delayed,
  delivered,
  relayed,
  expanded,
  answer,
  note,
  original_whole,
  original_header,
  stage_connect,
  stage_tls,
  stage_greeting,
  stage_hello,
  stage_auth,
  stage_mail,
  stage_rcpt,
  stage_data,
  stage_content,
  stage_final,
  reason_first,  // and one for each Reason
};
constexpr std::size_t kSections = static_cast<std::size_t>(Section::reason_first) + kReasons;

Section section_of(Reason reason);
Section section_of(mail::Stage stage);
std::string name_of(Section section);  // "subject.failed", "reason.unknown-user"

enum class Variable : std::uint8_t {
  hostname,
  postmaster,
  sender,
  id,
  arrived,
  retry_until,
  // known in the sections that speak of one recipient only
  recipient,
  domain,
  host,
  status,
  last_attempt,
  stage,
};
constexpr std::size_t kVariables = static_cast<std::size_t>(Variable::stage) + 1;
std::string_view name_of(Variable variable);  // "retry-until"
using Values = std::array<std::string, kVariables>;

// Line and column count from 1, the column in characters.
struct Mistake {
  int line = 1;
  int column = 1;
  std::string message;
};

class Template {
 public:
  // Never partial: all mistakes are reported at once; usable only when there is none. What a
  // template of a shipped language leaves out is taken from the shipped one.
  static Template parse(std::string_view text, std::vector<Mistake>& mistakes);
  // Etc/bounce/LANGUAGE.txt as it was when this was built; null when there is none.
  static const Template* shipped(std::string_view language);
  static const std::vector<std::string_view>& shipped_languages();

  const std::string& language() const { return language_; }
  // The section with its variables replaced, lines still as they stand in the file, '\n' between.
  std::string fill(Section section, const Values& values) const;

 private:
  friend class TemplateParser;
  // literal, then the variable; the last piece of a text has none.
  struct Piece {
    std::string literal;
    bool has_variable = false;
    Variable variable = Variable::hostname;
  };
  std::string language_;
  std::array<std::vector<Piece>, kSections> sections_;
};

}  // namespace postwain::notice
