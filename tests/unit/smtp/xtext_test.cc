#include <catch2/catch.hpp>

#include "common/smtp/syntax/xtext.h"

using namespace postwain::smtp;

TEST_CASE("xtext both ways", "[xtext]") {
  CHECK(xtext_encode("a+b=c d") == "a+2Bb+3Dc+20d");
  CHECK(xtext_decode("a+2Bb+3Dc+20d") == "a+b=c d");
  CHECK(xtext_decode("") == "");
  std::string all;
  for (char c = 32; c < 127; ++c) all += c;
  CHECK(xtext_decode(xtext_encode(all)) == all);
}

TEST_CASE("xtext refuses what must not get into a line", "[xtext]") {
  for (const char* bad :
       {"a=b", "a b", "+", "+4", "+4G", "a+0D+0Ab", "+00", "+7F", "a+", "+C3+A9", "\x80"})
    CHECK_FALSE(xtext_decode(bad));
}

TEST_CASE("utf-8 addresses of ORCPT", "[xtext]") {
  CHECK(orcpt_decode("rfc822;a+2Bb@x.org") == "rfc822;a+b@x.org");
  CHECK(orcpt_decode("utf-8;j\\x{F8}rn@x.org") == "utf-8;j\xC3\xB8rn@x.org");
  CHECK(orcpt_decode("UTF-8;j\xC3\xB8rn@x.org") == "UTF-8;j\xC3\xB8rn@x.org");
  CHECK(orcpt_decode("utf-8;\\x{1F600}@x") == "utf-8;\xF0\x9F\x98\x80@x");
  for (const char* bad : {"", "rfc822", "rfc822;", ";a@b", "rf c;a@b", "utf-8;a\\x{D800}",
                          "utf-8;\\x{}", "utf-8;\\x{0A}", "utf-8;\\x{41", "utf-8;\\y", "utf-8;a+b",
                          "utf-8;\\x{1234567}", "utf-8;\\x{110000}"}) {
    INFO(bad);
    CHECK_FALSE(orcpt_decode(bad));
  }
  CHECK(orcpt_encode("rfc822;a+b@x.org", true) == "rfc822;a+2Bb@x.org");
  CHECK(orcpt_encode("utf-8;j\xC3\xB8rn@x.org", true) == "utf-8;j\\x{F8}rn@x.org");
  CHECK(orcpt_encode("utf-8;j\xC3\xB8rn+1@x.org", false) == "utf-8;j\xC3\xB8rn\\x{2B}1@x.org");
  for (const char* text : {"utf-8;\xF0\x9F\x98\x80@x", "utf-8;a\\b=c+d@x", "rfc822;a=b@x"})
    for (bool ascii : {true, false}) CHECK(orcpt_decode(orcpt_encode(text, ascii)) == text);
}
