// Tables of keys are changed in the text, octet for octet as little as can be, in all the forms
// that TOML has for them; the parser is asked whether the outcome says what it should.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "common/config/load/bundle.h"
#include "common/tls/signing_key.h"
#include "postwain/dkim/block_edit.h"
#include "postwain/dkim/changed_config.h"
#include "postwain/dns_check/own_keys.h"

using namespace postwain;
using namespace postwain::tool;

namespace {

const std::string kTop = "hostname = \"mx.us.example\"\n";

config::Loaded loaded_from(const std::string& text) {
  config::Bundle bundle{"t.toml", {{"t.toml", text}, {"a.pem", "A"}, {"b.pem", "B"}}};
  return config::parse(std::move(bundle));
}

std::vector<OwnKey> keys_in(const config::Loaded& loaded) {
  return read_own_keys(loaded.config, "t.toml");
}

// The text with the first key ending and the second beginning to sign; "error: …" where it is left
// to people.
std::string switched(const std::string& text) {
  config::Loaded loaded = loaded_from(text);
  REQUIRE(loaded.diagnostics.empty());
  REQUIRE(loaded.config.dkim_keys.size() == 2);
  auto change = signing_change(loaded, keys_in(loaded), "t.toml", {1}, {0});
  return change ? change->after : "error: " + change.error().text;
}

}  // namespace

TEST_CASE("only the words that change are changed") {
  struct Row {
    const char* before;
    const char* after;
  };
  const Row rows[] = {
      {"[[dkim_key]]\ndomain = \"us.example\"\nselector = \"a\"\nkey = \"a.pem\"\nsigns = true\n"
       "[[dkim_key]]\ndomain = \"us.example\"\nselector = \"b\"\nkey = \"b.pem\"\nsigns = false\n",
       "[[dkim_key]]\ndomain = \"us.example\"\nselector = \"a\"\nkey = \"a.pem\"\nsigns = false\n"
       "[[dkim_key]]\ndomain = \"us.example\"\nselector = \"b\"\nkey = \"b.pem\"\nsigns = true\n"},
      // Not given: true. The line ends are kept, and so is the odd form.
      {"[[dkim_key]]  # the old one\r\ndomain=\"us.example\"\r\nselector='a'\r\nkey=\"a.pem\"\r\n"
       "[[ dkim_key ]]\r\n\"signs\"  =  false # not "
       "yet\r\ndomain=\"us.example\"\r\nselector='b'\r\n"
       "key=\"b.pem\"",
       "[[dkim_key]]  # the old one\r\nsigns = false\r\ndomain=\"us.example\"\r\nselector='a'\r\n"
       "key=\"a.pem\"\r\n"
       "[[ dkim_key ]]\r\n\"signs\"  =  true # not yet\r\ndomain=\"us.example\"\r\nselector='b'\r\n"
       "key=\"b.pem\""},
      // Inline tables, with characters of several octets before the value.
      {"dkim_key = [ { domain = \"us.example\", selector = \"a\", key = \"a.pem\" },\n"
       " { domain = \"us.example\", key = \"b.pem\", selector = 'b', signs=false } ] # ü signs = "
       "true\n",
       "dkim_key = [ { signs = false, domain = \"us.example\", selector = \"a\", key = \"a.pem\" "
       "},\n"
       " { domain = \"us.example\", key = \"b.pem\", selector = 'b', signs=true } ] # ü signs = "
       "true\n"},
      {"dkim_key = [ { domain = \"bücher.example\", selector = \"a\", key = \"a.pem\", signs = "
       "true },"
       " { domain = \"bücher.example\", selector = \"b\", key = \"b.pem\", signs = false } ]",
       "dkim_key = [ { domain = \"bücher.example\", selector = \"a\", key = \"a.pem\", signs = "
       "false },"
       " { domain = \"bücher.example\", selector = \"b\", key = \"b.pem\", signs = true } ]"},
      // Comments and texts that look like what is changed.
      {"# signs = true\n[[dkim_key]]\n# [[dkim_key]]\ndomain = \"us.example\" # signs = true\n"
       "selector = \"a\"\nkey = \"a.pem\"\n\n  signs   = true# old\n[[dkim_key]]\nsigns = false\n"
       "domain = \"us.example\"\nselector = \"b\"\nkey = \"\"\"\nb.pem\"\"\"\n",
       "# signs = true\n[[dkim_key]]\n# [[dkim_key]]\ndomain = \"us.example\" # signs = true\n"
       "selector = \"a\"\nkey = \"a.pem\"\n\n  signs   = false# old\n[[dkim_key]]\nsigns = true\n"
       "domain = \"us.example\"\nselector = \"b\"\nkey = \"\"\"\nb.pem\"\"\"\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.before);
    CHECK(switched(kTop + row.before) == kTop + row.after);
  }
}

TEST_CASE("a form that is not understood is left to people") {
  // A header whose name is quoted is the same table, and nobody writes it so.
  std::string text =
      kTop +
      "[[\"dkim_key\"]]\ndomain = \"us.example\"\nselector = \"a\"\nkey = \"a.pem\"\n"
      "[[dkim_key]]\ndomain = \"us.example\"\nselector = \"b\"\nkey = \"b.pem\"\nsigns = "
      "false\n";
  CHECK(switched(text) ==
        "error: t.toml:2:1: this [[dkim_key]] is written in a form that this command does not "
        "change; "
        "write there: signs = false");
}

TEST_CASE("places that do not hold what they should are refused") {
  SignsEdit edit{{"t", 1, 1}, {"t", 2, 1}, true};
  for (const char* text :
       {"", "x", "[[dkim_key]]\n", "[[dkim_key]]\ntrueish = 1", "a\nfalse_", "a\ntru"})
    CHECK_FALSE(with_signs(text, {edit}));
  CHECK_FALSE(with_signs("abc\n", {{{"t", 1, 9}, {"t", 0, 0}, true}}));
  CHECK_FALSE(with_signs("abc\n", {{{"t", 9, 1}, {"t", 0, 0}, true}}));
  CHECK_FALSE(with_signs("[[route]]\n", {{{"t", 1, 1}, {"t", 0, 0}, true}}));
  CHECK(with_signs("[[dkim_key]]", {{{"t", 1, 1}, {"t", 0, 0}, false}}).value() ==
        "[[dkim_key]]\nsigns = false\n");
}

TEST_CASE("names of keys change within their quotes") {
  auto renamed = [](const std::string& text, int line, int column) {
    auto out = with_signs(text, {}, {{{"t", line, column}, "a._domainkey.us.example", "NEW"}});
    return out ? out.value() : "error: " + out.error().text;
  };
  CHECK(renamed("x = [ 'a._domainkey.us.example', # a._domainkey.us.example\n]", 1, 7) ==
        "x = [ 'NEW', # a._domainkey.us.example\n]");
  CHECK(renamed("\n\"A._DOMAINKEY.us.Example\"", 2, 1) == "\n\"NEW\"");
  const std::string left =
      "error: t:1:1: this name is written in a form that this command does not change; write "
      "there: \"NEW\"";
  for (const char* text :
       {"", "a._domainkey.us.example", "\"a._domainkey.us.example", "\"b._domainkey.us.example\"",
        "\"\\u0061._domainkey.us.example\"", "\"\"\"a._domainkey.us.example\"\"\"", "\"\""})
    CHECK(renamed(text, 1, 1) == left);
}

TEST_CASE("a block is added behind whatever is there") {
  KeyBlock block{"us.example", "b", "b.pem", true, false};
  std::string text = key_block_text(block);
  CHECK(
      text ==
      "[[dkim_key]]\ndomain = \"us.example\"\nselector = \"b\"\nkey = \"b.pem\"\nsigns = false\n");
  CHECK(with_block("", text) == text);
  CHECK(with_block("a = 1", text) == "a = 1\n\n" + text);
  CHECK(with_block("a = 1\n", text) == "a = 1\n\n" + text);
  CHECK(key_block_text({"x", "y", "/a \"b\"\\c", false, true}) ==
        "[[dkim_key]]\ndomain = \"x\"\nselector = \"y\"\nkey = \"/a \\\"b\\\"\\\\c\"\nsubdomains = "
        "false\n");
  config::Loaded loaded = loaded_from(kTop + "[limits]\nrecipients = 5");
  auto change = adding_change(loaded, "t.toml", {block}, {});
  REQUIRE(change);
  CHECK(change->after == kTop + "[limits]\nrecipients = 5\n\n" + text);
  CHECK(with_changes(loaded, {*change})->config.dkim_keys.size() == 1);
}

TEST_CASE("a block that cannot be added is an error that says what to write") {
  KeyBlock block{"us.example", "b", "b.pem", true, false};
  config::Loaded inlined = loaded_from(
      kTop + "dkim_key = [ { domain = \"us.example\", selector = \"a\", key = \"a.pem\" } ]\n");
  REQUIRE(inlined.diagnostics.empty());
  auto change = adding_change(inlined, "t.toml", {block}, {});
  REQUIRE_FALSE(change);
  CHECK(change.error().text.find("write there by hand:\n[[dkim_key]]\n") != std::string::npos);
  // A file that nothing includes.
  auto lost = adding_change(loaded_from(kTop), "/nowhere/conf.d/dkim.toml", {block}, {});
  REQUIRE_FALSE(lost);
  CHECK(lost.error().text.find(
            "is no part of the configuration; write at the top of t.toml: include") !=
        std::string::npos);
  // The same selector twice.
  config::Loaded has = loaded_from(
      kTop + "[[dkim_key]]\ndomain = \"us.example\"\nselector = \"b\"\nkey = \"a.pem\"\n");
  CHECK_FALSE(adding_change(has, "t.toml", {block}, {}));
}

TEST_CASE("a file that is included by a pattern may be made") {
  config::Loaded loaded = loaded_from("include = [\"conf.d/*.toml\"]\n" + kTop);
  REQUIRE(loaded.diagnostics.empty());
  KeyBlock block{"us.example", "b", "dkim/b.pem", true, true};
  auto change = adding_change(loaded, "conf.d/dkim.toml", {block}, {{"dkim/b.pem", "PEM"}});
  REQUIRE(change);
  CHECK_FALSE(change->before);
  CHECK(change->after == key_block_text(block));
}
