// Bytes as the text of an aliases file, a map and a list: reading ends, and everything taken has
// its place in the file. What it means is fuzz_aliases.cc.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/check.h"
#include "common/config/document/alias_text.h"

using namespace postwain::config;

namespace {

void parse_alone(std::string_view text, AliasStyle style) {
  int lines = 1;
  for (char c : text) lines += c == '\n' ? 1 : 0;
  AliasText found = parse_alias_text(text, style);
  int last = 0;
  for (const AliasLine& line : found.lines) {
    PW_CHECK(line.line > last && line.line <= lines);
    last = line.line;
    PW_CHECK(style == AliasStyle::list || !line.targets.empty());
  }
  for (const AliasText::Mistake& one : found.mistakes) PW_CHECK(one.line > 0 && one.line <= lines);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  for (AliasStyle style : {AliasStyle::aliases, AliasStyle::map, AliasStyle::list})
    parse_alone(text, style);
  return 0;
}
