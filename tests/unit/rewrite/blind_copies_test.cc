// sender_bcc and recipient_bcc: who gets a copy without being named.
#include <catch2/catch.hpp>

#include "common/config/load/bundle.h"
#include "common/rewrite/rewriter.h"

using namespace postwain;
using namespace postwain::rewrite;

namespace {

config::Loaded copies_with(const std::string& senders, const std::string& recipients,
                           const std::string& more = {}) {
  return config::parse(config::Bundle{
      "t.toml",
      {{"t.toml",
        "hostname = \"mx.test\"\n[addresses]\nseparator = \"+\"\nsender_bcc = \"senders\"\n"
        "recipient_bcc = \"recipients\"\n" +
            more},
       {"senders", senders},
       {"recipients", recipients},
       {"virtual", "loop@own.test other@own.test\nother@own.test loop@own.test\n"},
       {"canonical", "anna@inner.test anna@own.test\n"}}});
}

std::string text_of(const std::vector<BlindCopy>& copies) {
  std::string out;
  for (const BlindCopy& one : copies)
    out += (out.empty() ? "" : " ") + one.address.text() + ":" + std::to_string(one.origin.line);
  return out;
}

}  // namespace

TEST_CASE("a copy is found by address, without tag, by domain, and for everybody") {
  config::Loaded loaded = copies_with(
      "anna@own.test archive@own.test, second@far.test\n@own.test rest@far.test\n"
      "@keep.test @archive.test\n<> bounces@own.test\n",
      "bob@own.test archive@own.test\n* all@far.test\n", "canonical = \"canonical\"\n");
  CHECK(loaded.diagnostics.empty());
  CHECK(loaded.warnings.empty());
  Rewriter rewriter(loaded.config.addresses);
  CHECK_FALSE(rewriter.idle());
  struct {
    const char* address;
    const char* of_sender;
    const char* of_recipient;
  } rows[] = {
      {"anna@own.test", "archive@own.test:1 second@far.test:1", "all@far.test:2"},
      {"Anna+tag@OWN.test", "archive@own.test:1 second@far.test:1", "all@far.test:2"},
      {"anna@inner.test", "archive@own.test:1 second@far.test:1", "all@far.test:2"},
      {"other@own.test", "rest@far.test:2", "all@far.test:2"},
      {"x+y@keep.test", "x+y@archive.test:3", "all@far.test:2"},
      {"bob+x@own.test", "rest@far.test:2", "archive@own.test:1"},
      {"x@far.test", "", "all@far.test:2"},
      {"", "bounces@own.test:4", ""},
  };
  for (const auto& row : rows) {
    INFO(row.address);
    mail::Address address = mail::Address::from_text(row.address);
    CHECK(text_of(rewriter.sender_copies(address)) == row.of_sender);
    CHECK(text_of(rewriter.recipient_copies(address)) == row.of_recipient);
  }
}

TEST_CASE("mistakes in lines of copies are warnings, and make none") {
  struct {
    const char* senders;
    const char* recipients;
    const char* warning;
  } rows[] = {
      {"", "<> x@own.test\n", "recipients:1:1: '<>' is neither an address nor @domain"},
      {"anna x@own.test\n", "", "senders:1:1: 'anna' is neither an address nor @domain"},
      {"* /tmp/x\n", "",
       "senders:1:1: '/tmp/x': Postwain delivers to no programs and files (but for /dev/null); "
       "give "
       "the mail to a store by [[route]]"},
      {"* a@x.test,b@x.test,c@x.test,d@x.test,e@x.test,f@x.test,g@x.test,h@x.test,i@x.test,"
       "j@x.test,k@x.test\n",
       "", "senders:1:1: 10 copies at most, not 11"},
  };
  for (const auto& row : rows) {
    config::Loaded loaded = copies_with(row.senders, row.recipients);
    CHECK(loaded.diagnostics.empty());
    REQUIRE(loaded.warnings.size() == 1);
    CHECK(loaded.warnings[0].text() == row.warning);
    Rewriter rewriter(loaded.config.addresses);
    CHECK(rewriter.sender_copies(mail::Address::from_text("anna@own.test")).empty());
    CHECK(rewriter.recipient_copies(mail::Address::from_text("anna@own.test")).empty());
  }
}

TEST_CASE("check tells of a copy whose address leads nowhere") {
  config::Loaded loaded =
      copies_with("* loop@own.test\n@keep.test @own.test\n", "", "virtual = \"virtual\"\n");
  std::string told;
  for (const config::Diagnostic& d : problems(loaded.config.addresses)) told += d.text() + "\n";
  CHECK(told ==
        "senders:1:1: the copy for *: loop@own.test leads back to itself\n"
        "virtual:1:1: loop@own.test leads back to itself\n"
        "virtual:2:1: other@own.test leads back to itself\n");
}
