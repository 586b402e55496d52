// Patterns as operators write them, and what they hear of those that are none.
#include <catch2/catch.hpp>

#include <string>

#include "common/pattern/pattern.h"

using namespace postwain;
using pattern::Pattern;

namespace {

bool finds(std::string_view text, std::string_view in) {
  Result<Pattern> compiled = Pattern::compile(text);
  INFO(text << ": " << (compiled ? "" : compiled.error().text));
  REQUIRE(compiled);
  return compiled->matches(in);
}

std::string wrong(std::string_view text) {
  Result<Pattern> compiled = Pattern::compile(text);
  REQUIRE_FALSE(compiled);
  return compiled.error().text;
}

}  // namespace

TEST_CASE("a pattern is looked for anywhere, without regard to letter case") {
  CHECK(finds("viagra", "Buy VIAGRA now"));
  CHECK_FALSE(finds("^viagra", "Buy viagra"));
  CHECK(finds("now$", "Buy now"));
  CHECK_FALSE(finds("(?-i)viagra", "VIAGRA"));
  CHECK(finds("[.](exe|scr)\"?$", "attachment; filename=\"a.EXE\""));
}

TEST_CASE("octets of any charset are compared as they are") {
  CHECK(finds("\\xe4", "\xe4"));
  CHECK(finds("a.c",
              "a\xff"
              "c"));
  CHECK(finds("a.c", "a\nc"));
  CHECK(finds("ä", "ä"));
  CHECK(finds("b", std::string("a\0b", 3)));
}

TEST_CASE("a pattern that is none says what is wrong, and where") {
  CHECK(wrong("a(b").find("missing )") != std::string::npos);
  CHECK(wrong("a**").find("at character 2: '**'") != std::string::npos);
  CHECK(wrong("(?=a)").find("(?=") != std::string::npos);
  CHECK(wrong("") == "the pattern is empty, so it would match everything");
  CHECK(wrong(std::string(1001, 'a')).find("1001 characters") != std::string::npos);
}

TEST_CASE("no pattern takes more than its share of memory") {
  CHECK(wrong("((a{100}){100}){100}").find("repetition") != std::string::npos);
}

TEST_CASE("time grows with the text alone") {
  std::string text(200'000, 'a');
  CHECK_FALSE(finds("(a|aa)*(a|aa)*(a|aa)*b$", text));
  CHECK_FALSE(finds("(.*)(.*)(.*)(.*)(.*)x$", text));
}
