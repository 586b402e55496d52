// [bounces]: words, and mistakes in the configuration and in the templates it names.
#include <catch2/catch.hpp>

#include "common/config/config.h"
#include "common/config/load/bundle.h"
#include "common/notice/template.h"

using namespace postwain;
using namespace postwain::config;

namespace {

Loaded parsed(const std::string& text, std::map<std::string, std::string> more = {}) {
  more["t.toml"] = "hostname = \"mx.example.org\"\n[bounces]\n" + text;
  return parse(Bundle{"t.toml", std::move(more)});
}

std::string intro(const notice::Template& words) {
  return words.fill(notice::Section::opening, notice::Values{});
}

}  // namespace

TEST_CASE("bounces: defaults and values") {
  Bounces none =
      parse(Bundle{"t.toml", {{"t.toml", "hostname = \"mx.example.org\""}}}).config.bounces;
  REQUIRE(none.original_max == 50U << 10);
  REQUIRE_FALSE(none.double_bounces);
  REQUIRE(none.words->size() == 1);
  REQUIRE(none.words->front().language() == "en");

  Loaded loaded = parsed(
      "original_max = \"10KiB\"\ndouble_bounces = true\ntemplate = [\"de\", \"file:/own.txt\"]\n",
      {{"/own.txt", "[language]\nen\n[opening]\nHello from ${hostname}\n"}});
  for (const Diagnostic& d : loaded.diagnostics) FAIL(d.text());
  const Bounces& bounces = loaded.config.bounces;
  REQUIRE(bounces.original_max == 10U << 10);
  REQUIRE(bounces.double_bounces);
  REQUIRE(bounces.words->size() == 2);
  REQUIRE(bounces.words->at(0).language() == "de");
  REQUIRE(intro(bounces.words->at(1)) == "Hello from ");
  REQUIRE(loaded.named_files.size() == 1);
  REQUIRE(loaded.named_files[0].use == FileUse::bounce_text);
}

TEST_CASE("bounces: mistakes") {
  struct {
    const char* text;
    const char* file;  // content of /own.txt
    const char* want;
  } rows[] = {
      {"orignal_max = 3", "",
       "t.toml:3:1: unknown key 'orignal_max' in [bounces], did you mean "
       "'original_max'?"},
      {"original_max = \"2MiB\"", "",
       "t.toml:3:16: original_max must be between 0 and 524288 bytes"},
      {"template = \"fr\"", "",
       "t.toml:3:12: template must be file:/path or one of de, en, not 'fr'"},
      {"template = [\"en\", \"en\"]", "", "t.toml:3:19: language en stands in template twice"},
      {"template = \"file:\"", "", "t.toml:3:12: file: needs a path"},
      {"template = \"file:/own.txt\"", "[language]\nde\n[failed]\nf\xc3\xbcr ${sendr}\n",
       "/own.txt:4:5: unknown variable 'sendr' in [failed] (known here: hostname, postmaster, "
       "sender, id, arrived, retry-until)"},
      {"template = \"file:/own.txt\"", "[language]\nde\n[fail]\nx\n",
       "/own.txt:3:2: unknown section [fail]"},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    Loaded loaded = parsed(row.text, {{"/own.txt", row.file}});
    REQUIRE(loaded.diagnostics.size() == 1);
    CHECK(loaded.diagnostics[0].text() == row.want);
  }
}
