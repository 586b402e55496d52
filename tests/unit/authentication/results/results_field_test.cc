// The field that we write: nothing that a value holds gets out of its place (RFC 8601 2.2).
#include <catch2/catch.hpp>

#include "common/authentication/results/results_field.h"
#include "common/authentication/results/results_reader.h"
#include "common/base/text.h"
#include "common/content/header_edits.h"

using namespace postwain;
using namespace postwain::authentication;
using namespace std::string_literals;

namespace {

// The value of the one field that comes out; lines and their number are checked.
std::string value_of(const std::string& field) {
  REQUIRE(field.substr(0, 23) == "Authentication-Results:");
  REQUIRE(field.substr(field.size() - 2) == "\r\n");
  REQUIRE(mail::HeaderEdits(field, 0).shown().size() == 1);
  std::string value = field.substr(23, field.size() - 25);
  std::size_t start = 0;
  for (std::size_t at; (at = field.find('\n', start)) != std::string::npos; start = at + 1) {
    CHECK(at - start <= 998);
    CHECK(field[at - 1] == '\r');
    CHECK(field.substr(start, at - start).find_first_not_of(" \t\r") != std::string::npos);
  }
  CHECK(std::count(field.begin(), field.end(), '\r') ==
        std::count(field.begin(), field.end(), '\n'));
  return value;
}

ReadResults read_back(const std::vector<MethodResult>& results, bool utf8 = false) {
  auto read = parse_results(value_of(results_field("mx.example.org", results, utf8)));
  REQUIRE(read);
  CHECK(read->authserv_id == "mx.example.org");
  return *read;
}

MethodResult with_value(std::string value) {
  return {"spf", "pass", {}, {{"smtp", "mailfrom", std::move(value)}}};
}

}  // namespace

TEST_CASE("results: the field as people see it") {
  std::vector<MethodResult> results = {
      {"dkim", "pass", "", {{"header", "d", "x.example"}, {"header", "s", "s1"}}, "2048-bit key"},
      {"spf", "fail", "no such host", {{"smtp", "mailfrom", "a@x.example"}}},
      {"dmarc", "pass", "", {{"policy", "dmarc", "none"}, {"header", "from", "x.example"}}}};
  CHECK(results_field("mx.example.org", results, false) ==
        "Authentication-Results: mx.example.org;\r\n"
        "\tdkim=pass (2048-bit key) header.d=x.example header.s=s1;\r\n"
        "\tspf=fail reason=\"no such host\" smtp.mailfrom=a@x.example;\r\n"
        "\tdmarc=pass policy.dmarc=none header.from=x.example\r\n");
  CHECK(results_field("mx.example.org", {}, false) ==
        "Authentication-Results: mx.example.org; none\r\n");
  CHECK(read_back(results).results == results);
  CHECK(read_back({}).results.empty());
}

TEST_CASE("results: values that need no quotes") {
  for (const char* value :
       {"x.example", "a@x.example", "@x.example", "a.b+c=d@x.example", "\"a b\"@x.example",
        "\"a\\\"b;(\"@x.example", "s1", "rsa-sha256", "192.0.2.1", "a_b@_x.example", "!#$%&'*+"}) {
    INFO(value);
    std::string field = results_field("mx.example.org", {with_value(value)}, false);
    CHECK(field.find("smtp.mailfrom="s + value + "\r\n") != std::string::npos);
    CHECK(read_back({with_value(value)}).results.front().properties.front().value == value);
  }
}

TEST_CASE("results: values that do") {
  struct Row {
    std::string value;
    std::string written;
  };
  const Row rows[] = {
      {"", "\"\""},
      {"a b", "\"a b\""},
      {"a;b", "\"a;b\""},
      {"a(b)c", "\"a(b)c\""},
      {"a\"b", "\"a\\\"b\""},
      {"a\\", "\"a\\\\\""},
      {"\"", "\"\\\"\""},
      {"x.example; dmarc=pass", "\"x.example; dmarc=pass\""},
      {"a@x.example;dkim=pass", "\"a@x.example;dkim=pass\""},
      {"\"a\"b\"@x.example", "\"\\\"a\\\"b\\\"@x.example\""},
      {"\"a\\\"@x.example", "\"\\\"a\\\\\\\"@x.example\""},
      {"a@b@x.example", "\"a@b@x.example\""},
      {"a@x..example", "\"a@x..example\""},
      {"2001:db8::1", "\"2001:db8::1\""},
      {"a@[192.0.2.1]", "\"a@[192.0.2.1]\""},
      {"AbC/+=", "\"AbC/+=\""},
  };
  for (const Row& row : rows) {
    INFO(row.value);
    std::string field = results_field("mx.example.org", {with_value(row.value)}, false);
    CHECK(field.find("smtp.mailfrom=" + row.written + "\r\n") != std::string::npos);
    CHECK(read_back({with_value(row.value)}).results.front().properties.front().value == row.value);
  }
}

TEST_CASE("results: what no header section may hold is replaced") {
  auto written = [](const std::string& value, bool utf8 = false) {
    std::string back =
        read_back({with_value(value)}, utf8).results.front().properties.front().value;
    CHECK(back == as_written(with_value(value), utf8)->properties.front().value);
    return back;
  };
  CHECK(written("a\r\nX-Evil: b") == "a??X-Evil: b");
  CHECK(written("a\nb\rc\0d\te\x7F"s) == "a?b?c?d?e?");
  CHECK(written("ä@x.example") == "??@x.example");
  CHECK(written("ä@x.example", true) == "ä@x.example");
  CHECK(written("\"ä ö\"@x.example", true) == "\"ä ö\"@x.example");
  CHECK(written("\xE4@x.example", true) == "?@x.example");
  CHECK(written("a\xC2\x85 \xE2\x80\xA8", true) == "a?? ???");
  CHECK(written("a\rä", true) == "a?ä");
  std::string text(1000, 'x');
  CHECK(written(text) == std::string(kResultValueMax - 3, 'x') + "...");
  std::string wide;
  for (int i = 0; i < 500; ++i) wide += "ä";
  CHECK(written(wide, true).size() <= kResultValueMax);
  CHECK(is_valid_utf8(written("x" + wide, true)));
  CHECK(written(std::string(400, '"')) == std::string(kResultValueMax - 3, '"') + "...");
}

TEST_CASE("results: reasons and comments stay what they are") {
  for (const std::string& text :
       {"plain"s, "two words"s, ")"s, "("s, "a (b) c"s, "\\"s, "\\)"s, "; dkim=pass header.d=x"s,
        "\" ) ; spf=pass ("s, "a\r\n b"s, std::string(300, ' ') + "x", std::string(500, ')'),
        "ends with blanks   "s, " begins so"s}) {
    MethodResult result{"dkim", "fail", text, {{"header", "d", "x.example"}}, text};
    INFO(text);
    auto back = read_back({result}).results;
    REQUIRE(back.size() == 1);
    CHECK(back.front() == *as_written(result, false));
    CHECK(back.front().reason.size() <= kResultTextMax);
  }
}

TEST_CASE("results: words that are none, and bounds") {
  CHECK(
      read_back({{"dk im", "pass"}, {"spf", "pa;ss"}, {"", "pass"}, {"spf", ""}}).results.empty());
  CHECK(read_back({{"spf", "pass-"}, {"x", std::string(kResultWordMax + 1, 'a')}}).results.empty());
  MethodResult odd{"spf", "pass", "", {{"smtp", "a b", "x"}, {"", "b", "x"}, {"smtp", "c", "x"}}};
  CHECK(read_back({odd}).results.front().properties.size() == 1);
  MethodResult wide{"spf", "pass"};
  wide.properties.assign(100, {"smtp", "mailfrom", "a@x.example"});
  CHECK(read_back({wide}).results.front().properties.size() == kResultPropertiesMax);
  CHECK(
      parse_results(value_of(results_field(
                        "mx", std::vector<MethodResult>(100, MethodResult{"spf", "pass"}), false)))
          ->results.size() == kMethodResultsMax);
  std::string id = "a\r\n b;c";
  auto read = parse_results(value_of(results_field(id, {}, false)));
  REQUIRE(read);
  CHECK(read->authserv_id == "a?? b;c");
  CHECK(read->authserv_id == authserv_id_as_written(id));
}

TEST_CASE("results: lines end early where they can") {
  MethodResult result{"dkim", "pass", "a reason of many words that goes on and on and on"};
  result.comment = "a comment of many words, too, that is longer than what fits into one line";
  for (int i = 0; i < 10; ++i) result.properties.push_back({"header", "d", "sub.domain.example"});
  std::string field = results_field("mx.example.org", {result, result}, false);
  std::size_t start = 0;
  for (std::size_t at; (at = field.find('\n', start)) != std::string::npos; start = at + 1)
    CHECK(at - start <= 79);
  CHECK(read_back({result}).results.front() == result);
  // In a quoted local part, too, which comes back as it was.
  std::string wide = "\"of many words that go on and on and on and on and on, all of them  ";
  MethodResult quoted = with_value(wide + wide.substr(1) + "\"@x.example");
  CHECK(read_back({quoted}).results.front() == quoted);
}

TEST_CASE("results: a line does not end behind a backslash") {
  for (std::size_t size = 1; size < 60; ++size) {
    MethodResult result = with_value('"' + std::string(size, 'a') + "\\ b c\"@x.example");
    CHECK(read_back({result}).results.front() == result);
    CHECK(results_field("mx.example.org", {result}, false).find("\\\r\n") == std::string::npos);
  }
}

// Readers decode encoded words (RFC 2047) where there must be none.
TEST_CASE("results: no value brings an encoded word in") {
  const std::string word = "=?utf-8?q?x=3B_dmarc=3Dpass_?=";
  std::vector<MethodResult> results{
      {"spf", "pass", word, {{"smtp", "mailfrom", word + "@far.example"}}, word}};
  std::string value = value_of(results_field("mx.example.org", results, false));
  CHECK(value.find("=?") == std::string::npos);
  auto read = parse_results(value);
  REQUIRE(read);
  REQUIRE(read->results.size() == 1);
  CHECK(read->results[0].properties[0].value == word + "@far.example");
  CHECK(read->results[0].reason == word);
}
