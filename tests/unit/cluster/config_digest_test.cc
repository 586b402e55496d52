// Which of two nodes' configurations differ, and where.
#include <catch2/catch.hpp>

#include "qmgr/cluster/config_digest.h"

using namespace postwain;
using namespace postwain::qmgr;

namespace {

using Tables = std::vector<std::string_view>;

std::string digest_of(const std::string& text, const std::string& included = {}) {
  config::Loaded loaded;
  loaded.bundle.main_file = "/etc/postwain.toml";
  loaded.bundle.files["/etc/postwain.toml"] = text;
  if (!included.empty()) loaded.bundle.files["/etc/conf.d/more.toml"] = included;
  return config_digest(loaded);
}

constexpr const char* kText =
    "hostname = \"mx1.example.org\"\npostmaster = \"p@example.org\"\n"
    "[queue]\nstore = \"postgresql://a,b/q\"\nnode = \"mx1\"\nlifetime = \"5d\"\n"
    "[[listener]]\naddress = [\"[::2]:25\",\n  \"[::1]:25\",\n  \"192.0.2.1:25\",\n]\ntls = "
    "\"optional\"\n"
    "[tls]\ncertificate = \"/a\"\nkey = \"/b\"\nminimum = \"1.2\"\n"
    "[[tls.pair]]\ncertificate = \"/c\"\n"
    "[[route]]\nmatch = \"*\"\n[workers]\nsmtp = 2\n[limits]\nconnections = 1\n";

std::string with(std::string_view from, std::string_view to) {
  std::string text = kText;
  std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("nodes are told apart by the tables that all of them should have alike") {
  const std::string own = digest_of(kText);
  CHECK(own.size() <= 64);
  struct {
    const char* from;
    const char* to;
    Tables tables;
  } rows[] = {
      {"mx1.example.org", "mx2.example.org", {}},
      {"\"mx1\"", "\"mx2\"", {}},
      {"postgresql://a,b/q", "postgresql://b,a/q", {}},
      {"192.0.2.1:25", "192.0.2.2:2525", {}},
      {"[::2]", "[::3]", {}},
      {"[::1]", "[::3]", {}},
      {"/a", "/x", {}},
      {"/c", "/x", {}},
      {"smtp = 2", "smtp = 9\n# much\n\n  ", {}},
      {"p@example", "q@example", {"top of the file"}},
      {"5d", "6d", {"queue"}},
      {"optional", "required", {"listener"}},
      {"1.2", "1.3", {"tls"}},
      {"match = \"*\"", "match = \"a\"", {"route"}},
      {"connections = 1", "connections = 2", {"limits"}},
      {"[limits]", "[new]", {"limits"}},
      {"[workers]", "[new]", {"other tables"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.from, row.to);
    auto found = config_difference(own, digest_of(with(row.from, row.to)));
    REQUIRE(found);
    CHECK(*found == row.tables);
  }
  CHECK(*config_difference(own, digest_of(kText, "[limits]\nconnections = 1\n")) ==
        Tables{"limits"});
}

TEST_CASE("a comment behind a list of the machine's own hides nothing that follows") {
  const std::string rest = "tls = \"off\"\n[limits]\nconnections = 1\n";
  auto differs = [&](const std::string& head, std::string_view from, std::string_view to) {
    std::string other = rest;
    other.replace(other.find(from), from.size(), to);
    auto found = config_difference(digest_of(head + rest), digest_of(head + other));
    REQUIRE(found);
    return *found;
  };
  for (const char* list : {"address = [\"192.0.2.1:25\"]  # world\n",
                           "address = [\n  \"192.0.2.1:25\",\n  \"[::1]:25\"]  # both\n",
                           "address = [  # both\n  \"192.0.2.1:25\",  # [one]\n]\n",
                           "address = [\"192.0.2.1:25\"]\r\n"}) {
    CAPTURE(list);
    const std::string head = std::string("[[listener]]  # a = b\n") + list;
    CHECK(differs(head, "off", "required") == Tables{"listener"});
    CHECK(differs(head, "connections = 1", "connections = 2") == Tables{"limits"});
  }
  const std::string top = "include = [\"conf.d/*.toml\"]  # more\n";
  CHECK(differs(top, "off", "required") == Tables{"top of the file"});
  CHECK(differs("[ dns ]\n", "off", "may") == Tables{"dns"});
}

TEST_CASE("comments behind values make no nodes differ, and what is quoted is no comment") {
  auto difference = [](const std::string& one, const std::string& other) {
    auto found = config_difference(digest_of(one), digest_of(other));
    REQUIRE(found);
    return *found;
  };
  const std::string limits = "[limits]\nconnections = 1\n";
  CHECK(difference(limits, "[limits]  # bounds\nconnections = 1  # one\n").empty());
  CHECK(difference(limits, "[limits]\r\nconnections = 1\r\n").empty());
  for (const char* value :
       {"match = \"a#", "match = 'a#", "match = \"a\\\"#", "match = '\\' # '\nretry = '#"}) {
    CAPTURE(value);
    const std::string text = std::string("[[route]]\n") + value;
    CHECK(difference(text + "b", text + "c") == Tables{"route"});
  }
}

TEST_CASE("what another version tells of its configuration, or somebody else, is not compared") {
  const std::string own = digest_of(kText);
  for (const std::string& other :
       {std::string(), std::string("0123456789abcdef"), own + "A", own.substr(1),
        "u" + own.substr(1), own.substr(0, own.size() - 1) + "\n", std::string(own.size(), '\0')}) {
    CHECK_FALSE(config_difference(own, other));
    CHECK_FALSE(config_difference(other, own));
  }
}
