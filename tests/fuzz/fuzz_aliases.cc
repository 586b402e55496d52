// Bytes as an aliases file, a map of addresses and a list: reading ends, what is taken has a place
// in the file, and what addresses stand for comes to an end, whatever the files say.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/config/alias_text.h"
#include "common/config/bundle.h"
#include "common/rewrite/rewriter.h"

using namespace postwain;
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
    for (const AliasTarget& target : line.targets)
      PW_CHECK(!target.text.empty() || target.kind == AliasTarget::Kind::include || target.final);
  }
  for (const AliasText::Mistake& one : found.mistakes) PW_CHECK(one.line > 0 && one.line <= lines);
}

void expand_all(const Addresses& addresses) {
  rewrite::Rewriter rewriter(addresses);
  for (const char* text : {"a@x.test", "b+c@x.test", "x@y.test", "postmaster@mx.test"}) {
    mail::Address address = mail::Address::from_text(text);
    rewrite::Expansion found = rewriter.expand(address);
    PW_CHECK((found.problem != rewrite::Problem::none) || !found.targets.empty());
    (void)rewriter.sender(address);
    (void)rewriter.resolve(address);
  }
  (void)rewrite::problems(addresses);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 4096) return 0;
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  AliasStyle styles[] = {AliasStyle::aliases, AliasStyle::map, AliasStyle::list};
  for (AliasStyle style : styles) parse_alone(text, style);
  const char* keys[] = {"aliases = \"f\"", "virtual = \"f\"", "canonical = \"f\"",
                        "aliases = \"a\"\nvirtual = \"f\""};
  Bundle bundle{"t.toml", {}};
  bundle.files["t.toml"] =
      std::string("hostname = \"mx.test\"\n[addresses]\nseparator = \"+\"\n") + keys[data[0] % 4];
  bundle.files["f"] = text;
  bundle.files["a"] = "a: b@x.test, :include:f\n";
  Loaded loaded = parse(std::move(bundle));
  if (loaded.diagnostics.empty()) expand_all(loaded.config.addresses);
  return 0;
}
