// Fields by name, from the bottom up.
#include <catch2/catch.hpp>

#include "common/authentication/dkim/header_list.h"
#include "common/authentication/dkim/signing_input.h"
#include "common/tls/sha256.h"

using namespace postwain;
using namespace postwain::authentication::dkim;

TEST_CASE("dkim: fields of a section") {
  HeaderList list("From x\r\nA: 1\r\nb : 2\r\n\tmore\r\nno field\r\na: 3\r\nC:");
  REQUIRE(list.fields().size() == 4);
  CHECK(list.fields()[1].text == "b : 2\r\n\tmore");
  CHECK(list.fields()[1].name == "b");
  CHECK(list.fields()[1].value == " 2\r\n\tmore");
  CHECK(list.fields()[3].text == "C:");
  CHECK(list.named("A").size() == 2);
  CHECK(list.named("B").size() == 1);
  CHECK(list.named("no").empty());
  CHECK(HeaderList("").fields().empty());
}

TEST_CASE("dkim: each mention of a name is the next field from the bottom") {
  HeaderList list("A: 1\r\nX: 9\r\na: 2\r\nA: 3\r\n");
  FieldSelection all(list, std::nullopt);
  CHECK(all.next("A") == "A: 3");
  CHECK(all.next("x") == "X: 9");
  CHECK(all.next("a") == "a: 2");
  CHECK(all.next("A") == "A: 1");
  CHECK(all.next("A") == std::nullopt);
  CHECK(all.next("A") == std::nullopt);
  CHECK(all.next("Y") == std::nullopt);
  FieldSelection without(list, 2);
  CHECK(without.next("A") == "A: 3");
  CHECK(without.next("A") == "A: 1");
  CHECK(without.next("A") == std::nullopt);
  FieldSelection without_first(list, 0);
  CHECK(without_first.next("A") == "A: 3");
  CHECK(without_first.next("A") == "a: 2");
  CHECK(without_first.next("A") == std::nullopt);
}

TEST_CASE("dkim: what is signed is the named fields, and the own one without a line end") {
  HeaderList list("A: 1\r\nB: 2\r\nDKIM-Signature: b=\r\n");
  CHECK(signing_hash(list, {"b", "a", "a", "none"}, Canonical::relaxed, "DKIM-Signature: b=", 2) ==
        tls::sha256("b:2\r\na:1\r\ndkim-signature:b="));
  CHECK(signing_hash(list, {"dkim-signature", "A"}, Canonical::simple, "DKIM-Signature: b=", 2) ==
        tls::sha256("A: 1\r\nDKIM-Signature: b="));
}

TEST_CASE("dkim: a hostile header costs no more than a large one") {
  std::string section;
  for (int i = 0; i < 100'000; ++i) section += "a:\r\n";
  HeaderList list(section);
  FieldSelection selection(list, std::nullopt);
  std::size_t found = 0;
  while (selection.next("A")) ++found;
  CHECK(found == 100'000);
}
