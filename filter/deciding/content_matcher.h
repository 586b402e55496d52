// Content rules ([[content_rule]]) before one message: which of them match, and what follows. The
// patterns meet fields and lines as they come, nothing is decoded: of a field that a rule names its
// value, of any other ("*") the whole "Name: value", both unfolded; of the body each line, or each
// piece of mail::kLinePieceMax octets of a longer one. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/table/content_rule.h"
#include "common/content/line_pieces.h"
#include "common/content/part_headers.h"
#include "common/ipc/filter_messages.h"
#include "common/mail/reply.h"
#include "common/milter/filter_answer.h"
#include "common/pattern/pattern.h"

namespace postwain::filter {

constexpr std::size_t kMatchedFieldMax = 64U << 10;  // octets of a field that patterns see
constexpr std::size_t kFieldMatchesMax = 1000;       // of one message, for remove and replace

struct CompiledRule {
  config::ContentRule settings;
  pattern::Pattern pattern;

  bool watched() const { return settings.mode == config::FilterMode::watch; }
};

struct RuleMatch {
  const CompiledRule* rule = nullptr;
  std::string field;        // as it is written; "body"
  std::uint32_t index = 0;  // of header fields: among those of its name, from 1
};

class ContentMatcher {
 public:
  // The rules outlive it.
  explicit ContentMatcher(std::vector<const CompiledRule*> rules);

  // The body has to be shown, too.
  bool wants_body() const;
  void header(const std::vector<std::string_view>& fields);
  void body(std::string_view octets);
  void finish();

  // In the order of the rules as far as the header section goes, then as they came. A rule is there
  // once, one that removes or replaces fields once for each of them.
  const std::vector<RuleMatch>& matches() const { return matches_; }

 private:
  struct Field {
    std::string name;
    std::string line;         // "Name: value", unfolded
    std::size_t value = 0;    // where it begins
    std::uint32_t index = 0;  // among those of its name
  };

  static Field field_of(std::string_view text);
  void match_field(std::size_t rule, const Field& field);
  void match_part(std::string_view field);
  void match_line(const mail::LinePiece& line);
  bool is_done(std::size_t rule) const { return found_[rule]; }
  void found(std::size_t rule, const std::string& field, std::uint32_t index);

  std::vector<const CompiledRule*> rules_;
  std::vector<bool> found_;
  std::vector<RuleMatch> matches_;
  mail::LinePieces lines_;
  std::optional<mail::PartHeaders> parts_;
  std::uint64_t depth_ = 0;  // octets of the body that the rules want to see
  std::uint64_t seen_ = 0;
};

// What follows from the matches of rules that are enforced.
struct ContentDecision {
  ipc::FilterVerdict verdict = ipc::FilterVerdict::keep_going;
  mail::Reply reply;
  const CompiledRule* decided_by = nullptr;  // of a verdict
  std::vector<milter::Edit> edits;           // where there is none
  bool redirects = false;                    // nobody else gets it, whoever has added him
};
// recipients: with angle brackets, that redirect has to take out.
ContentDecision decide(const std::vector<RuleMatch>& matches,
                       const std::vector<std::string>& recipients);
// Which rules matched, for the history: "sale: hold, exe: refuse (watch)".
std::string text_of(const std::vector<RuleMatch>& matches);

}  // namespace postwain::filter
