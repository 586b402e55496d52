// Edits of header sections as milters mean them (common/content/header_edits.h).
#include <catch2/catch.hpp>

#include "common/content/header_edits.h"

using namespace postwain::mail;

namespace {

constexpr std::string_view kSection =
    "Received: from client\r\n by mx\r\n"
    "X-A: 1\r\n"
    "x-a: 2\r\n"
    "X-AB: 3\r\n"
    "Subject: hello\r\n";

HeaderEdits edits() {
  return {kSection, 1};
}

}  // namespace

TEST_CASE("fields nobody touches stay octet by octet") {
  std::string odd = "Received: x\r\nX-Odd :\t  a\r\n\tb\xff \r\nEmpty:\r\n";
  HeaderEdits one(odd, 1);
  CHECK_FALSE(one.changed());
  CHECK(one.text() == odd);
  CHECK(one.octets() == odd.size());
  CHECK(one.shown().size() == 2);
}

TEST_CASE("change counts per whole name, letter case aside (pitfall 10)") {
  HeaderEdits second = edits();
  second.change(2, "X-A", "X-A: changed\r\n");
  CHECK(
      second.text() ==
      "Received: from client\r\n by mx\r\nX-A: 1\r\nX-A: changed\r\nX-AB: 3\r\nSubject: hello\r\n");
  HeaderEdits zero = edits();
  zero.change(0, "x-A", "");
  CHECK(zero.text() ==
        "Received: from client\r\n by mx\r\nx-a: 2\r\nX-AB: 3\r\nSubject: hello\r\n");
}

TEST_CASE("change of a field that is not there adds it, and removes nothing") {
  HeaderEdits add = edits();
  add.change(3, "X-A", "X-A: new\r\n");
  CHECK(add.text() == std::string(kSection) + "X-A: new\r\n");
  HeaderEdits remove = edits();
  remove.change(3, "X-A", "");
  CHECK_FALSE(remove.changed());
  CHECK(remove.text() == kSection);
}

TEST_CASE("whoever removes several has to begin with the last (pitfall 26)") {
  HeaderEdits forward = edits();
  forward.change(1, "X-A", "");
  forward.change(2, "X-A", "");
  CHECK(forward.text().find("x-a: 2") != std::string::npos);
  HeaderEdits backward = edits();
  backward.change(2, "X-A", "");
  backward.change(1, "X-A", "");
  CHECK(backward.text() == "Received: from client\r\n by mx\r\nX-AB: 3\r\nSubject: hello\r\n");
}

TEST_CASE("our own trace field is not counted by change, and cannot be changed") {
  HeaderEdits one = edits();
  one.change(1, "Received", "");
  CHECK_FALSE(one.changed());
  one.change(1, "Received", "Received: theirs\r\n");
  CHECK(one.text() == std::string(kSection) + "Received: theirs\r\n");
  CHECK(one.remove("received") == 1);
  CHECK(one.text() == kSection);
}

TEST_CASE("insert: above everything, below our own, beyond the end") {
  HeaderEdits top = edits();
  top.insert(0, "Authentication-Results: mx; none\r\n");
  CHECK(top.text() == "Authentication-Results: mx; none\r\n" + std::string(kSection));
  CHECK(top.shown().front() == "Authentication-Results: mx; none\r\n");
  HeaderEdits below = edits();
  below.insert(1, "X-New: 1\r\n");
  CHECK(below.text().find("by mx\r\nX-New: 1\r\nX-A: 1") != std::string::npos);
  HeaderEdits end = edits();
  end.insert(99, "X-Last: 1\r\n");
  CHECK(end.text() == std::string(kSection) + "X-Last: 1\r\n");
}

TEST_CASE("a value becomes a field whatever line ends it has (pitfall 24)") {
  CHECK(field_text("A", "1", false) == "A: 1\r\n");
  CHECK(field_text("A", " 1", true) == "A: 1\r\n");
  CHECK(field_text("A", "1", true) == "A:1\r\n");
  CHECK(field_text("A", "", false) == "A: \r\n");
  CHECK(field_text("A", "1\n 2\r\n\t3\r4", false) == "A: 1\r\n 2\r\n\t3\r\n\t4\r\n");
  CHECK(field_text("A", "1\r\n\r\nBcc: x", false) == "A: 1\r\n\tBcc: x\r\n");
  CHECK(field_text("A", "1\n \t\nB: 2\n", false) == "A: 1\r\n\tB: 2\r\n");
  CHECK(field_text("A", "\r\nB: 2", false) == "A: \r\n\tB: 2\r\n");
}
