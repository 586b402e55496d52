// Fields that a route takes out and puts in, at every cut.
#include <catch2/catch.hpp>

#include <string>

#include "common/content/field_patch.h"

using namespace postwain::mail;

namespace {

std::string patched(const FieldChanges& changes, std::string_view content, std::size_t cut) {
  FieldPatch patch(changes);
  std::string out;
  for (std::size_t at = 0; at < content.size(); at += cut) patch.take(content.substr(at, cut), out);
  patch.finish(out);
  return out;
}

const FieldChanges kChanges{{"X-Secret", "subject"}, "X-New: 1\r\nX-More: 2\r\n"};

}  // namespace

TEST_CASE("fields go and come, and nothing else changes, wherever the content is cut") {
  const std::string content =
      "Received: a\r\n b\r\nx-secret: 1\r\n folded: x\r\n\tmore\r\nX-Secrets: stay\r\n"
      "Subject : old form\r\nX-SECRET:\r\nTo: b\r\n\r\nX-Secret: body\r\n\r\n.\r\nlast";
  const std::string want =
      "X-New: 1\r\nX-More: 2\r\nReceived: a\r\n b\r\nX-Secrets: stay\r\nTo: b\r\n\r\n"
      "X-Secret: body\r\n\r\n.\r\nlast";
  for (std::size_t cut = 1; cut <= content.size(); ++cut)
    REQUIRE(patched(kChanges, content, cut) == want);
}

TEST_CASE("a header section without an end, and one that ends with what is no field") {
  const FieldChanges removes{{"X-Secret"}, ""};
  for (std::size_t cut : {1, 2, 3, 100}) {
    CHECK(patched(removes, "A: 1\r\nX-Secret: 2\r\n", cut) == "A: 1\r\n");
    CHECK(patched(removes, "A: 1\r\nX-Secret: 2", cut) == "A: 1\r\n");
    CHECK(patched(removes, "A: 1\r\nX-Secret", cut) == "A: 1\r\nX-Secret");
    CHECK(patched(removes, "A: 1\r\nno field\r\nX-Secret: 2\r\n", cut) ==
          "A: 1\r\nno field\r\nX-Secret: 2\r\n");
    CHECK(patched(removes, "", cut).empty());
    CHECK(patched(kChanges, "\r\nbody", cut) == "X-New: 1\r\nX-More: 2\r\n\r\nbody");
  }
}

TEST_CASE("a field of any length goes without being in memory") {
  const FieldChanges removes{{"X-Secret"}, ""};
  std::string field =
      "X-Secret: " + std::string(1 << 20, 'x') + "\r\n " + std::string(1 << 20, 'y');
  CHECK(patched(removes, "A: 1\r\n" + field + "\r\nB: 2\r\n\r\n", 4096) == "A: 1\r\nB: 2\r\n\r\n");
  std::string name(2000, 'n');
  CHECK(patched(removes, "A: 1\r\n" + name + "\r\nX-Secret: 1\r\n", 7) ==
        "A: 1\r\n" + name + "\r\nX-Secret: 1\r\n");
}
