// By which keys an attempt was signed, as the history keeps it.
#include <string>

#include <catch2/catch.hpp>

#include "common/mail/reported/signing_record.h"

using namespace postwain::mail;

namespace {

const MadeSignature kRsa{"example.org", "s2026a", "rsa-sha256"};
const MadeSignature kEd25519{"example.org", "e.x_1", "ed25519-sha256"};

}  // namespace

TEST_CASE("a signing record is written and read again") {
  struct Row {
    SigningRecord record;
    std::string text;
  };
  for (const Row& row : std::initializer_list<Row>{
           {{}, ""},
           {{SigningEnd::made, 0, {kRsa, kEd25519}},
            "signed rsa-sha256:s2026a:example.org ed25519-sha256:e.x_1:example.org"},
           {{SigningEnd::sealed, 50, {kRsa}}, "sealed:50 rsa-sha256:s2026a:example.org"},
           {{SigningEnd::no_key, 0, {}}, "no_key"},
           {{SigningEnd::broken_chain, 0, {}}, "broken_chain"},
           {{SigningEnd::unfit, 0, {}}, "unfit"},
           {{SigningEnd::put_off, 0, {}}, "put_off"}}) {
    CAPTURE(row.text);
    CHECK(row.record.is_sound());
    CHECK(row.record.text() == row.text);
    CHECK(SigningRecord::from_text(row.text) == row.record);
  }
}

TEST_CASE("a signing record that does not fit is not sound") {
  auto made = [](MadeSignature one) { return SigningRecord{SigningEnd::made, 0, {one}}; };
  CHECK_FALSE(SigningRecord{SigningEnd::made, 0, {}}.is_sound());
  CHECK_FALSE(SigningRecord{SigningEnd::made, 1, {kRsa}}.is_sound());
  CHECK_FALSE(SigningRecord{SigningEnd::sealed, 0, {kRsa}}.is_sound());
  CHECK_FALSE(SigningRecord{SigningEnd::sealed, 51, {kRsa}}.is_sound());
  CHECK_FALSE(SigningRecord{SigningEnd::sealed, 1, {kRsa, kRsa}}.is_sound());
  CHECK_FALSE(SigningRecord{SigningEnd::none, 0, {kRsa}}.is_sound());
  CHECK_FALSE(SigningRecord{SigningEnd::no_key, 0, {kRsa}}.is_sound());
  CHECK_FALSE(SigningRecord{SigningEnd::made, 0, {17, kRsa}}.is_sound());
  CHECK(SigningRecord{SigningEnd::made, 0, {16, kRsa}}.is_sound());
  const std::string longest(kSigningNameMax, 'x');
  CHECK(made({longest, longest, "a"}).is_sound());
  CHECK_FALSE(SigningRecord{SigningEnd::made, 0, {16, {longest, longest, "a"}}}.is_sound());
  for (const std::string& bad :
       {std::string(), longest + "x", std::string("a b"), std::string("a:b"), std::string("a\nb"),
        std::string("\xc3\xa4")}) {
    CAPTURE(bad);
    CHECK_FALSE(made({bad, "s", "a"}).is_sound());
    CHECK_FALSE(made({"d", bad, "a"}).is_sound());
    CHECK_FALSE(made({"d", "s", bad}).is_sound());
  }
  CHECK_FALSE(made({"d", "s", std::string(33, 'a')}).is_sound());
}

TEST_CASE("what is no signing record counts as none") {
  for (const char* bad : {"signed", "sealed", "sealed:0 a:s:d", "sealed:51 a:s:d", "sealed:x a:s:d",
                          "signed a:s", "signed a:s:d:e", "signed  a:s:d", "no_key a:s:d",
                          "something", "signed:1 a:s:d", " ", "signed a:s:d "}) {
    CAPTURE(bad);
    SigningRecord read = SigningRecord::from_text(bad);
    CHECK((read == SigningRecord{} || read.text() + " " == bad));
  }
  std::string many = "signed";
  for (int i = 0; i < 17; ++i) many += " a:s:d";
  CHECK(SigningRecord::from_text(many) == SigningRecord{});
}
