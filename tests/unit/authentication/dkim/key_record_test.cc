// Key records (RFC 6376 3.6.1), and what is published for a key of ours.
#include <catch2/catch.hpp>

#include "common/authentication/dkim/key_record.h"
#include "tests/unit/authentication/dkim/dkim_rig.h"

using namespace postwain;
using namespace postwain::authentication::dkim;
using namespace postwain::authentication::dkim::test;

namespace {

// Why no verifier takes the record; empty: one does.
std::string refusal_of_record(std::string_view text) {
  auto record = read_key_record(text);
  if (!record) return std::string(record.error().reason);
  int bits = 0;
  auto key = authentication::dkim::key_of(*record, bits);
  return key ? "" : std::string(key.error().reason);
}

std::string der_length(std::size_t size) {
  return {'\x82', static_cast<char>(size >> 8), static_cast<char>(size & 0xFF)};
}

// p= of an RSAPublicKey with so many bits (RFC 8017 A.1.1); nobody has its private key.
std::string rsa_of_bits(std::size_t bits) {
  std::string modulus(bits / 8 + 1, '\xAB');
  modulus[0] = '\0';
  std::string inner = "\x02" + der_length(modulus.size()) + modulus + "\x02\x03";
  inner += std::string("\x01\x00\x01", 3);
  return base64_encode("\x30" + der_length(inner.size()) + inner);
}

}  // namespace

TEST_CASE("dkim: records of keys, rule by rule") {
  std::string p = base64_encode(ed25519().public_key());
  std::string r = base64_encode(rsa().public_key());
  const std::pair<std::string, std::string_view> kRecords[] = {
      {"k=ed25519; p=" + p, ""},
      {"v=DKIM1; k=ed25519; p=" + p + ";", ""},
      {"p=" + p + "; k=ed25519; n=a note; g=*; x=y", ""},
      {"p=" + r, ""},
      {"k=RSA; p=" + r, ""},
      {"k=rsa; h=sha1:sha256; s=other:email; t=y:s; p=" + r, ""},
      {"h=sha256; s=*; p=" + r.substr(0, 50) + " " + r.substr(50), ""},
      {"k=ed25519; v=DKIM1; p=" + p, "the record of its key is of another version"},
      {"v=DKIM2; k=ed25519; p=" + p, "the record of its key is of another version"},
      {"v=spf1 -all", "the record of its key is of another version"},
      {"some text", "the record of its key is malformed"},
      {"", "the record of its key is malformed"},
      {"p=" + r + "; p=" + r, "the record of its key is malformed"},
      {"h=sha1; p=" + r, "its key is not for SHA-256"},
      {"h=; p=" + r, "its key is not for SHA-256"},
      {"s=other; p=" + r, "its key is not for mail"},
      {"s=tlsrpt; p=" + r, "its key is not for mail"},
      {"v=DKIM1; k=rsa", "the record of its key has no key"},
      {"v=DKIM1; p=", "its key was revoked"},
      {"v=DKIM1; p= ; k=unknown", "its key was revoked"},
      {"v=DKIM1; p=x", "its key is no base64"},
      {"v=DKIM1; k=dsa; p=" + r, "its key is of an unknown kind"},
      {"v=DKIM1; p=" + p, "its key cannot be read"},
      {"v=DKIM1; k=ed25519; p=" + r, "its key cannot be read"},
      {"p=" + rsa_of_bits(1016), "its RSA key is shorter than 1024 bits"},
      {"p=" + rsa_of_bits(1024), ""},
      {"p=" + rsa_of_bits(4096), ""},
      {"p=" + rsa_of_bits(4104), "its RSA key is longer than 4096 bits, and not looked at"},
      {"n=" + std::string(kKeyRecordOctetsMax, 'x') + "; p=" + r,
       "the record of its key is too long"},
  };
  for (const auto& [text, refusal] : kRecords) {
    CAPTURE(text);
    CHECK(refusal_of_record(text) == refusal);
  }
}

TEST_CASE("dkim: a record that was revoked, or has other flags") {
  auto both = read_key_record("t=y : s; p=" + base64_encode(rsa().public_key()));
  REQUIRE(both.ok());
  CHECK(both->testing);
  CHECK(both->whole_domain);
  auto none = read_key_record("t=yes; p=" + base64_encode(rsa().public_key()));
  REQUIRE(none.ok());
  CHECK_FALSE(none->testing);
  CHECK_FALSE(none->whole_domain);
}

TEST_CASE("dkim: what we publish for a key fits it") {
  using dns::AnswerStatus;
  for (const tls::SigningKey* key : {&ed25519(), &rsa()}) {
    Algorithm algorithm = *algorithm_of(key->algorithm());
    std::string text = record_of(*key);
    CHECK(text.starts_with(key == &rsa() ? "v=DKIM1; k=rsa; p=MII" : "v=DKIM1; k=ed25519; p="));
    auto fit = [&](std::vector<std::string> texts, AnswerStatus status = AnswerStatus::ok) {
      return fitting_of({status, std::move(texts)}, algorithm, key->public_key()).fit;
    };
    const tls::SigningKey& other = key == &rsa() ? ed25519() : rsa();
    CHECK(fit({text}) == KeyFit::fits);
    CHECK(fit({text + "; t=y"}) == KeyFit::testing);
    CHECK(fit({"v=spf1 -all", text}) == KeyFit::several);
    CHECK(fit({text, record_of(other)}) == KeyFit::several);
    CHECK(fit({text + "; t=y", record_of(other)}) == KeyFit::several);
    CHECK(fit({record_of(other), "v=spf1 -all"}) == KeyFit::differs);
    CHECK(fit({record_of(other)}) == KeyFit::differs);
    CHECK(fit({"v=DKIM1; p="}) == KeyFit::unusable);
    CHECK(fit({"v=DKIM1; p=AAAA"}) != KeyFit::fits);
    CHECK(fit({}) == KeyFit::missing);
    CHECK(fit({}, AnswerStatus::no_such_name) == KeyFit::missing);
    CHECK(fit({text}, AnswerStatus::temporary) == KeyFit::unknown);
  }
  const tls::SigningKey& larger = key_of_kind(tls::KeyKind::rsa_3072);
  CHECK(
      fitting_of({AnswerStatus::ok, {record_of(larger)}}, Algorithm::rsa_sha256, rsa().public_key())
          .fit == KeyFit::differs);
}

TEST_CASE("dkim: the line of the zone") {
  CHECK(key_record_name({"B\xc3\xbc"
                         "cher.example",
                         "s1"}) == "s1._domainkey.xn--bcher-kva.example");
  CHECK(key_record_name({"", "s1"}).empty());
  std::string line = key_zone_line({"a.example", "s1"}, record_of(rsa()));
  CHECK(line.starts_with("s1._domainkey.a.example. IN TXT ( \"v=DKIM1; k=rsa; p="));
  CHECK(line.ends_with("\" )"));
  std::string joined;
  bool inside = false;
  std::size_t size = 0;
  for (char c : line) {
    if (c == '"') {
      inside = !inside;
      CHECK(size <= 255);
      size = 0;
    } else if (inside) {
      joined += c;
      ++size;
    }
  }
  CHECK(joined == record_of(rsa()));
}
