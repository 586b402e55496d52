// The forms DKIM signs, by the examples of RFC 6376 3.4.5 and what stands around them.
#include <catch2/catch.hpp>

#include "common/content/dkim_form.h"

using namespace postwain;
using namespace postwain::mail;

TEST_CASE("relaxed fields") {
  CHECK(relaxed_field("A: X") == "a:X");
  CHECK(relaxed_field("B : Y\t\r\n\tZ  ") == "b:Y Z");
  CHECK(relaxed_field("Subject:") == "subject:");
  CHECK(relaxed_field("SUBJect:  a   b\t c") == "subject:a b c");
}

TEST_CASE("relaxed bodies") {
  CHECK(relaxed_body(" C \r\nD \t E\r\n\r\n\r\n") == " C\r\nD E\r\n");
  CHECK(relaxed_body("") == "");
  CHECK(relaxed_body("\r\n\r\n") == "");
  CHECK(relaxed_body("a") == "a\r\n");
  CHECK(relaxed_body("\r\na\r\n") == "\r\na\r\n");
  CHECK(relaxed_body(" \t\r\n") == "");
}

TEST_CASE("the field names what was signed, and ends where the signature begins") {
  DkimFacts facts{"a.example",
                  "s1",
                  "rsa-sha256",
                  "aGFzaA==",
                  WallTime(std::chrono::seconds(7)),
                  {"From: <x@a.example>", "To : y"}};
  std::string field = dkim_field(facts);
  CHECK(field.find("d=a.example;") != std::string::npos);
  CHECK(field.find("h=From:To;") != std::string::npos);
  CHECK(field.find("t=7;") != std::string::npos);
  CHECK(field.substr(field.size() - 2) == "b=");
  CHECK(dkim_signed_text(facts).substr(0, 28) == "from:<x@a.example>\r\nto:y\r\ndk");
  CHECK(dkim_signed_text(facts).back() == '=');
}
