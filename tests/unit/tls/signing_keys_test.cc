// Keys that sign and verify, as DKIM uses them.
#include <catch2/catch.hpp>

#include "common/base/text.h"
#include "common/tls/sha256.h"
#include "common/tls/signing_key.h"
#include "common/tls/verifying_key.h"

using namespace postwain;
using namespace postwain::tls;

namespace {

VerifyingKey public_of(const SigningKey& key) {
  std::string octets = key.public_key();
  bool rsa = key.algorithm() == "rsa-sha256";
  return (rsa ? VerifyingKey::rsa(octets) : VerifyingKey::ed25519(octets)).take();
}

SigningKey new_key(KeyKind kind) {
  return SigningKey::from_pem(*new_private_key(kind)).take();
}

std::string decoded(std::string_view text) {
  return base64_decode(text).value();
}

}  // namespace

TEST_CASE("keys: a new key signs hashes, and its public key verifies them") {
  struct Kind {
    KeyKind kind;
    std::string_view algorithm;
    int bits;
  };
  for (auto [kind, algorithm, bits] :
       {Kind{KeyKind::rsa_2048, "rsa-sha256", 2048}, Kind{KeyKind::rsa_3072, "rsa-sha256", 3072},
        Kind{KeyKind::rsa_4096, "rsa-sha256", 4096},
        Kind{KeyKind::ed25519, "ed25519-sha256", 256}}) {
    SigningKey key = new_key(kind);
    CHECK(key.algorithm() == algorithm);
    CHECK(key.bits() == bits);
    VerifyingKey other = public_of(key);
    CHECK(other.bits() == bits);
    CHECK(other.is_same(public_of(key)));
    std::string hash = sha256("text");
    std::string signature = key.sign_digest(hash).take();
    CHECK(other.verifies(hash, signature));
    CHECK(key.sign("text").take() == signature);
    CHECK_FALSE(other.verifies(sha256("test"), signature));
    for (std::size_t i = 0; i < signature.size(); i += 7) {
      std::string changed = signature;
      changed[i] = static_cast<char>(changed[i] ^ 1);
      CHECK_FALSE(other.verifies(hash, changed));
    }
    CHECK_FALSE(other.verifies(hash, ""));
    CHECK_FALSE(other.verifies(hash, signature.substr(1)));
    CHECK_FALSE(other.verifies(hash, signature + "x"));
  }
}

TEST_CASE("keys: other keys do not verify, and are not the same") {
  SigningKey one = new_key(KeyKind::ed25519);
  SigningKey other = new_key(KeyKind::ed25519);
  std::string hash = sha256("text");
  CHECK_FALSE(public_of(other).verifies(hash, *one.sign_digest(hash)));
  CHECK_FALSE(public_of(one).is_same(public_of(other)));
}

TEST_CASE("keys: an RSA key may stand there bare, and nothing may stand behind it") {
  // One 1024-bit key in both forms.
  std::string whole = decoded(
      "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/"
      "J16JYi"
      "0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/"
      "8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G"
      "+2kryOTIKT+l/K4w3QIDAQAB");
  std::string bare = whole.substr(22);
  auto first = VerifyingKey::rsa(whole);
  auto second = VerifyingKey::rsa(bare);
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  CHECK(first->bits() == 1024);
  CHECK(first->is_same(*second));
  CHECK_FALSE(VerifyingKey::rsa(whole + "x").ok());
  CHECK_FALSE(VerifyingKey::rsa(bare + std::string(1, '\0')).ok());
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(VerifyingKey::rsa(whole.substr(0, size)).ok());
  // Exponents of 1, and an even one.
  for (char exponent : {'\x01', '\x02'}) {
    std::string weak = bare;
    weak.replace(weak.size() - 3, 3, std::string("\0\0", 2) + exponent);
    CHECK_FALSE(VerifyingKey::rsa(weak).ok());
  }
}

TEST_CASE("keys: what is no public key is refused") {
  CHECK_FALSE(VerifyingKey::ed25519("").ok());
  CHECK_FALSE(VerifyingKey::ed25519(std::string(31, 'x')).ok());
  CHECK_FALSE(VerifyingKey::ed25519(std::string(33, 'x')).ok());
  // An Ed25519 key as SubjectPublicKeyInfo is no RSA key.
  CHECK_FALSE(
      VerifyingKey::rsa(decoded("MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="))
          .ok());
}

TEST_CASE("keys: SHA-256 in pieces") {
  CHECK(hex_encode(sha256("abc")) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 sum;
  sum.take("a");
  sum.take("");
  sum.take("bc");
  CHECK(sum.finish() == sha256("abc"));
  CHECK(Sha256().finish() == sha256(""));
}

TEST_CASE("keys: why a file has no key to sign with") {
  auto why = [](std::string_view pem) {
    auto key = SigningKey::from_pem(pem);
    REQUIRE_FALSE(key.ok());
    return key.error().text;
  };
  // Of Ed25519, by OpenSSL, with the passphrase "secret".
  const std::string kEncrypted = R"(-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgLPTiSlh3lhgICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEB9GaM/fPXbmiRENBMYFT4IEQFi7
Qy04KGjt+PTr/hsbmDsCC/NNSLpOYw4Mhnj6kVCXoFCHxgOjZK6sFKp42PPHm3Fp
1V1bnjd4W93uuHIm+Tc=
-----END ENCRYPTED PRIVATE KEY-----
)";
  CHECK(why(kEncrypted) == "private key: it is encrypted; take the passphrase off");
  const std::string kPublic = R"(-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEABLZE4T5dDKaneQsHPNwtvbor3MIgjSDbfjaQOCGZAC0=
-----END PUBLIC KEY-----
)";
  CHECK(why(kPublic) == "there is no private key in it");
  CHECK(why("") == "there is no private key in it");
  std::string broken = *new_private_key(KeyKind::ed25519);
  broken.erase(40, 8);
  CHECK(why(broken).starts_with("private key: "));
  CHECK(why(broken).find("encrypted") == std::string::npos);
}
