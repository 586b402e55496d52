// A regular expression as operators write it, in the syntax of RE2. The time to match grows with
// the text alone, whatever the pattern, and the memory is bounded: an operator's pattern meets the
// text of strangers. Octets are compared as they come, no charset is assumed. Letter case does not
// count, unless the pattern begins with (?-i).
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "common/base/result.h"

namespace re2 {
class RE2;
}

namespace postwain::pattern {

constexpr std::size_t kPatternMax = 1000;   // octets of its text
constexpr int kPatternMemoryMax = 1 << 20;  // octets that it takes compiled and at work

class Pattern {
 public:
  // The error says what is wrong, and at which character where that is known.
  static Result<Pattern> compile(std::string_view text);

  // Somewhere in the text.
  bool matches(std::string_view text) const;

 private:
  explicit Pattern(std::shared_ptr<const re2::RE2> compiled) : compiled_(std::move(compiled)) {}

  std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace postwain::pattern
