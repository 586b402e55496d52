#include "common/pattern/pattern.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include "common/base/text.h"

namespace postwain::pattern {

namespace {

constexpr std::size_t kShownMax = 40;  // of the part that is wrong

std::string mistake_in(std::string_view text, const re2::RE2& compiled) {
  const std::string& part = compiled.error_arg();
  std::string out = compiled.error();
  // RE2 ends its sentence with the part itself.
  if (std::size_t colon = out.find(": "); colon != std::string::npos) out.resize(colon);
  if (compiled.error_code() == re2::RE2::ErrorPatternTooLarge)
    return "the pattern is too large: use fewer or smaller repetitions";
  std::size_t at = text.find(part);
  if (part.empty() || at == std::string_view::npos) return out;
  return fmt::format("{} at character {}: '{}'", out, at + 1, printable(part, kShownMax));
}

}  // namespace

Result<Pattern> Pattern::compile(std::string_view text) {
  if (text.empty()) return Error{"the pattern is empty, so it would match everything"};
  if (text.size() > kPatternMax)
    return Error{fmt::format("the pattern has {} characters, at most {} are taken", text.size(),
                             kPatternMax)};
  re2::RE2::Options options;
  options.set_encoding(re2::RE2::Options::EncodingLatin1);
  options.set_case_sensitive(false);
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemoryMax);
  options.set_dot_nl(true);
  auto compiled =
      std::make_shared<const re2::RE2>(re2::StringPiece(text.data(), text.size()), options);
  if (!compiled->ok()) return Error{mistake_in(text, *compiled)};
  return Pattern(std::move(compiled));
}

bool Pattern::matches(std::string_view text) const {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *compiled_);
}

}  // namespace postwain::pattern
