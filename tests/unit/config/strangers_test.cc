// [[dns_list]] and [strangers]: what operators write, and what they get to hear about it.

#include <catch2/catch.hpp>

#include <algorithm>

#include "common/config/load/bundle.h"

using namespace postwain;
using namespace postwain::config;
using namespace std::chrono_literals;

namespace {

Loaded loaded_strangers(const std::string& text) {
  return parse(Bundle{"t.toml", {{"t.toml", "hostname = \"mx.example.org\"\n" + text}}});
}

Config strangers_of(const std::string& text) {
  Loaded loaded = loaded_strangers(text);
  for (const Diagnostic& d : loaded.diagnostics) FAIL_CHECK(d.text());
  return loaded.config;
}

bool speaks_of(const std::vector<Diagnostic>& diagnostics, std::string_view words) {
  return std::any_of(diagnostics.begin(), diagnostics.end(), [&](const Diagnostic& d) {
    return d.message.find(words) != std::string::npos;
  });
}
bool is_wrong(const std::string& text, std::string_view words) {
  return speaks_of(loaded_strangers(text).diagnostics, words);
}
bool is_warned_of(const std::string& text, std::string_view words) {
  return speaks_of(loaded_strangers(text).warnings, words);
}

const std::string kList = "[[dns_list]]\nzone = \"zen.example\"\nweight = 5\n";

}  // namespace

TEST_CASE("without lists and [strangers] nobody is judged, and there is no process for it") {
  Config c = strangers_of("");
  CHECK_FALSE(c.strangers.wanted);
  CHECK_FALSE(c.filters_mail());
}

TEST_CASE("a list and [strangers] have the defaults of the manual") {
  Config c = strangers_of(
      "spool_dir = \"/var/spool/x\"\n[[dns_list]]\nzone = \".ZEN.example.\"\n"
      "[strangers]\nrefuse_at = 1\n");
  CHECK(c.filters_mail());
  REQUIRE(c.strangers.lists.size() == 1);
  const DnsList& list = c.strangers.lists[0];
  CHECK(list.zone == "zen.example");
  CHECK(list.label == "zen.example");
  CHECK(list.weight == 1);
  CHECK(list.by == ListKey::address);
  REQUIRE(list.answers.size() == 1);
  CHECK((list.answers[0].matches(0x7f000002) && list.answers[0].matches(0x7f0000fe)));
  CHECK_FALSE((list.answers[0].matches(0x7f000001) || list.answers[0].matches(0x7f0000ff)));
  const Strangers& strangers = c.strangers;
  CHECK_FALSE(strangers.greylist_at);
  CHECK(strangers.refuse_at == 1);
  CHECK(strangers.weight_of_pregreet() == 1);
  CHECK(strangers.greet_delay == 0s);
  CHECK(strangers.mode == FilterMode::enforce);
  CHECK(strangers.folder == "/var/spool/x-filter");
  CHECK((strangers.greylist.wait == 5min && strangers.greylist.window == 48h));
  CHECK(strangers.greylist.known == 24h * 35);
  CHECK_FALSE(strangers.greylist.everyone);
}

TEST_CASE("everything that can be said of strangers is read") {
  Config c = strangers_of(
      kList + "label = \"zen\"\nanswers = [\"127.0.0.2-11\", \"127.0.1.1-127.0.2.9\"]\n" +
      "[[dns_list]]\nzone = \"good.example\"\nweight = -3\nby = \"sender\"\n"
      "[strangers]\ngreylist_at = 2\nrefuse_at = 5\ngreet_delay = \"4s\"\npregreet_weight = 3\n"
      "mode = \"watch\"\nfolder = \"/var/lib/seen\"\n"
      "weights = { no_name = 1, forged_name = 2, dynamic_name = 3, helo = 4 }\n"
      "greylist = { wait = \"1m\", window = \"1h\", known = \"2d\", everyone = true }\n");
  const Strangers& strangers = c.strangers;
  CHECK(strangers.lists[0].label == "zen");
  CHECK(strangers.lists[0].answers.size() == 2);
  CHECK((strangers.lists[1].weight == -3 && strangers.lists[1].by == ListKey::sender));
  CHECK((strangers.greylist_at == 2 && strangers.refuse_at == 5));
  CHECK(strangers.greet_delay == 4s);
  CHECK(strangers.weight_of_pregreet() == 3);
  CHECK(strangers.mode == FilterMode::watch);
  CHECK(strangers.folder == "/var/lib/seen");
  CHECK((strangers.weights.no_name == 1 && strangers.weights.forged_name == 2));
  CHECK((strangers.weights.dynamic_name == 3 && strangers.weights.helo == 4));
  CHECK((strangers.greylist.wait == 1min && strangers.greylist.window == 1h));
  CHECK((strangers.greylist.known == 48h && strangers.greylist.everyone));
}

TEST_CASE("the key of a list's user is shown nowhere") {
  CHECK(shown_zone("abcdefghij0123456789klmnop.zen.dq.example") == "zen.dq.example");
  CHECK(shown_zone("zen.example") == "zen.example");
  CHECK(shown_zone("longbutaword-ofanoperator.example") == "longbutaword-ofanoperator.example");
  CHECK(shown_zone("abcdefghij0123456789klmnop") == "list");
}

TEST_CASE("patterns of answers are read exactly") {
  for (const char* good : {"127.0.0.2", "127.0-3.0.2-11", "127.0.0.2-127.0.0.11"})
    CHECK(parse_answer_pattern(good));
  auto matches = [](const char* pattern, std::uint32_t last) {
    return parse_answer_pattern(pattern)->matches(0x7f000000 + last);
  };
  CHECK((matches("127.0.0.[2..11]", 2) && matches("127.0.0.[2..11]", 11)));
  CHECK_FALSE((matches("127.0.0.[2..11]", 1) || matches("127.0.0.[2..11]", 12)));
  CHECK((matches("127.0.[0;2].[2;4;6..8]", 7) && matches("127.0.[0;2].[2;4;6..8]", 0x204)));
  CHECK_FALSE((matches("127.0.[0;2].[2;4;6..8]", 5) || matches("127.0.[0;2].[2;4;6..8]", 0x104)));
  for (const char* bad : {"127.0.0.[2..11", "127.0.0.[]", "127.0.0.[2-11]", "127.0.0.[2..]",
                          "127.0.0.[2;]", "127.0.0.2..11", "127.0.0.[2.11]"})
    CHECK_FALSE(parse_answer_pattern(bad));
  for (const char* bad :
       {"", "127.0.0", "127.0.0.256", "127.0.0.9-2", "127.0.0.11-127.0.0.2", "127.0.0.2-",
        "-127.0.0.2", "127.0.0.x", "127.0.0.2-127.0.0", "1.2.3.4.5"})
    CHECK_FALSE(parse_answer_pattern(bad));
}

TEST_CASE("mistakes about strangers are told where they are") {
  const std::string refuse = "[strangers]\nrefuse_at = 5\n";
  CHECK(is_wrong("[[dns_list]]\n" + refuse, "zone"));
  CHECK(is_wrong("[[dns_list]]\nzone = \"no zone\"\n" + refuse, "is not the name of a zone"));
  CHECK(is_wrong(kList + kList + refuse, "already the label"));
  CHECK(is_wrong(kList + "answers = [\"127.0.0\"]\n" + refuse, "is no pattern"));
  CHECK(is_wrong(kList + "answers = [\"192.0.2.1\"]\n" + refuse, "outside of 127.0.0.0/8"));
  CHECK(is_wrong(kList + "by = \"color\"\n" + refuse, "color"));
  CHECK(is_wrong(kList + "[strangers]\nrefuse_at = 0\n", "must be above 0"));
  CHECK(is_warned_of(kList + "[strangers]\nrefuse_at = 6\n", "is never reached"));
  CHECK(is_warned_of(kList + "[strangers]\nrefuse_at = 2\ngreylist_at = 3\n",
                     "is not below refuse_at"));
  CHECK(is_warned_of(kList, "neither greylist_at nor refuse_at"));
  CHECK(is_wrong(kList + refuse + "greet_delay = \"31s\"\n", "greet_delay"));
  CHECK(is_warned_of(kList + refuse + "pregreet_weight = 2\n",
                     "pregreet_weight without greet_delay"));
  CHECK(is_wrong(kList + refuse + "greylist = { wait = \"2h\", window = \"1h\" }\n",
                 "window must be longer than wait"));
  CHECK(is_wrong(kList + refuse + "[[filter]]\nname = \"strangers\"\nsocket = \"127.0.0.1:1\"\n",
                 "is the name of the check"));
  CHECK(is_warned_of(kList + refuse +
                         "[[listener]]\naddress = \"127.0.0.1:587\"\n"
                         "protocol = \"submission\"\nauth = false\n",
                     "all of them are for submission"));
}
