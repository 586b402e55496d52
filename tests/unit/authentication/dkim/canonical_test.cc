// The forms that DKIM signs: the examples of RFC 6376 3.4.5 and what stands around them, and that
// it makes no difference where a body is cut.
#include <catch2/catch.hpp>

#include <algorithm>

#include "common/authentication/dkim/body_hashes.h"
#include "common/authentication/dkim/canonical.h"
#include "common/tls/sha256.h"

using namespace postwain;
using namespace postwain::authentication::dkim;

namespace {

std::string form_of(Canonical form, std::string_view body, std::size_t piece) {
  CanonicalBody canonical(form);
  std::string out;
  auto emit = [&](std::string_view text) { out += text; };
  for (std::size_t at = 0; at < body.size(); at += piece)
    canonical.take(body.substr(at, piece), emit);
  canonical.end(emit);
  CHECK(canonical.octets() == out.size());
  return out;
}

struct BodyForms {
  std::string_view body;
  std::string_view simple;
  std::string_view relaxed;
};

constexpr BodyForms kBodies[] = {
    {"", "\r\n", ""},
    {"\r\n", "\r\n", ""},
    {"\r\n\r\n\r\n", "\r\n", ""},
    {" ", " \r\n", ""},
    {" \t\r\n", " \t\r\n", ""},
    {" \r\n\r\n", " \r\n", ""},
    {"a", "a\r\n", "a\r\n"},
    {"a\r\n", "a\r\n", "a\r\n"},
    {"a\r\n\r\n", "a\r\n", "a\r\n"},
    {"a \t ", "a \t \r\n", "a\r\n"},
    {"a\r\n \r\n\t\r\n", "a\r\n \r\n\t\r\n", "a\r\n"},
    {"a\r\n \r\n\t\r\n\r\n", "a\r\n \r\n\t\r\n", "a\r\n"},
    {" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"},
    {"\r\na\r\n", "\r\na\r\n", "\r\na\r\n"},
    {"\r\n \r\nb", "\r\n \r\nb\r\n", "\r\n\r\nb\r\n"},
    {"a  b\t\tc", "a  b\t\tc\r\n", "a b c\r\n"},
    {"\t a", "\t a\r\n", " a\r\n"},
    {"a\r", "a\r\r\n", "a\r\r\n"},
    {"a\rb\nc\r\n", "a\rb\nc\r\n", "a\rb\nc\r\n"},
    {"a\r\r\nb", "a\r\r\nb\r\n", "a\r\r\nb\r\n"},
    {"a \r\r\n", "a \r\r\n", "a \r\r\n"},
    {"\r\r\n\r\r\n", "\r\r\n\r\r\n", "\r\r\n\r\r\n"},
    {"\xe4 \xf6\r\n..\r\n.\r\n", "\xe4 \xf6\r\n..\r\n.\r\n", "\xe4 \xf6\r\n..\r\n.\r\n"},
};

}  // namespace

TEST_CASE("dkim: fields in both forms") {
  struct FieldForms {
    std::string_view field;
    std::string_view relaxed;
  };
  constexpr FieldForms kFields[] = {
      {"A: X", "a:X"},
      {"B : Y\t\r\n\tZ  ", "b:Y Z"},
      {"Subject:", "subject:"},
      {"SUBJect:  a   b\t c", "subject:a b c"},
      {"a:\r\n \r\n b", "a:b"},
      {"a\t :\tx:y : z\t", "a:x:y : z"},
      {"a:\xc3\xa4  \xff", "a:\xc3\xa4 \xff"},
      {"a:x\ry", "a:x\ry"},
  };
  for (auto [field, relaxed] : kFields) {
    CAPTURE(field);
    std::string ended = std::string(field) + "\r\n";
    CHECK(canonical_field(Canonical::relaxed, field) == relaxed);
    CHECK(canonical_field(Canonical::relaxed, ended) == relaxed);
    CHECK(canonical_field(Canonical::simple, field) == field);
    CHECK(canonical_field(Canonical::simple, ended) == field);
  }
}

TEST_CASE("dkim: bodies in both forms, in pieces of every size") {
  for (const BodyForms& one : kBodies) {
    for (std::size_t piece = 1; piece <= one.body.size() + 1; ++piece) {
      CAPTURE(one.body, piece);
      CHECK(form_of(Canonical::simple, one.body, piece) == one.simple);
      CHECK(form_of(Canonical::relaxed, one.body, piece) == one.relaxed);
    }
  }
}

TEST_CASE("dkim: a body cut in two at every octet has one hash") {
  std::string all;
  for (const BodyForms& one : kBodies) all += std::string(one.body) + "x\r\n";
  all += "end \t\r\n \r\n\r\n";
  std::string relaxed = form_of(Canonical::relaxed, all, all.size());
  std::string simple = form_of(Canonical::simple, all, all.size());
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    BodyHashes hashes;
    auto first = hashes.want({Canonical::relaxed, {}});
    auto second = hashes.want({Canonical::simple, {}});
    auto third = hashes.want({Canonical::simple, 20});
    CHECK(hashes.want({Canonical::relaxed, {}}) == first);
    hashes.take(std::string_view(all).substr(0, cut));
    hashes.take(std::string_view(all).substr(cut));
    hashes.end();
    CHECK(hashes.hash(first) == tls::sha256(relaxed));
    CHECK(hashes.hash(second) == tls::sha256(simple));
    CHECK(hashes.hash(third) == tls::sha256(std::string_view(simple).substr(0, 20)));
    CHECK(hashes.octets(first) == relaxed.size());
    CHECK(hashes.octets(third) == simple.size());
  }
}

TEST_CASE("dkim: empty lines are counted, not kept") {
  constexpr std::size_t kLines = 1'000'000;
  std::size_t octets = 0;
  std::size_t largest = 0;
  auto emit = [&](std::string_view text) {
    octets += text.size();
    largest = std::max(largest, text.size());
  };
  CanonicalBody body(Canonical::relaxed);
  body.take("a", emit);
  for (std::size_t i = 0; i < kLines; ++i) body.take(" \t \r\n", emit);
  CHECK(octets <= 1);
  body.take("b", emit);
  body.end(emit);
  CHECK(octets == 4 + 2 * kLines);
  CHECK(largest <= 4096);
}

TEST_CASE("dkim: the hashes of an empty body are those of RFC 6376 3.4.3 and 3.4.4") {
  BodyHashes hashes;
  auto simple = hashes.want({Canonical::simple, {}});
  auto relaxed = hashes.want({Canonical::relaxed, {}});
  auto nothing = hashes.want({Canonical::simple, 0});
  hashes.end();
  CHECK(hashes.hash(simple) == tls::sha256("\r\n"));
  CHECK(hashes.hash(relaxed) == tls::sha256(""));
  CHECK(hashes.hash(nothing) == tls::sha256(""));
}
