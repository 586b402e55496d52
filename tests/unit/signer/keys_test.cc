// Which keys are offered, and which cannot sign.
#include <catch2/catch.hpp>

#include "tests/unit/signer/signer_rig.h"

using namespace postwain;
using namespace postwain::signer;
using namespace postwain::signer::test;
using ipc::SigningAlgorithm;

namespace {

// Made for this test, and used nowhere.
constexpr const char* kShortRsa = R"(-----BEGIN PRIVATE KEY-----
MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBAKB/kTMT0Sr+Pb0W
/HVw4NTN1g8OoiNhCwuxxmkWIkLMGpU4xRz9/vGurKUivr0TE/AaTkDn+vc/0B/l
lAZzEVYTzM+1yCgTU7jgu3WPfn5bGsKl23unmgE+lsNdRllNVdUtLxFf5CW3tTRK
VubuZFu6tQLJAdRPR7DsceC2YOI9AgMBAAECgYBF8zNCUqnAFiysQ99mA/tJZCie
SV9rEflxcFqsJERsXm5biPGH0D+T7/A4zKra1vzCkYR3j2N27S31KObZ5L6x153W
2e/kOxDNWN18YtkZyREe//mFdk8ZTpZ6i+ssgBU29VSDq1lrIyp9Mx+FXNCe4tvT
avgDbwHUZKW7enpqQQJBAM0bnZWu+htQJOqCb+41wRlmCDN6YYiJYnClE9FbHGbD
BFRbOAZcPWQKmmCGIap5X8cOEDb0Os+8z34jkx9VvJECQQDIUl3o74K/MMXcHbXn
gIj3k6fSUdpILjWfJuwxdiDTzus+/Qzgj7ETaqP5ED+lrr1u2u/219jWR9Yf7Sox
1FDtAkEAp0IE0KJe3FUPtZjms+dr701QFMKQtKnr95X2Qjw9PeN8LVoxpqYjfehT
mbDn1T+jBg0G1fl12B/NSLyz5dKhsQJBAJK+y+6crhHy367M0PmizjNXJkRLE/V2
bG+HKtVc7NVcqjY9V5aVjKlloHMOtSFhLYIsvkb8fesTOseujA9usk0CQAar+4tr
OzdjOMWQHJiGzWGo06/hEdk8ZXNPMCbXMTp26IhGdfO0dvkKcqf6OXDqmoFocCPO
BtvcKlLeyLlHK00=
-----END PRIVATE KEY-----
)";
constexpr const char* kOtherCurve = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1/LHJQYn2qtuS9hS
73HPWadsBu6sfKmXGS40L46V4zehRANCAAQ/lUEqM61B/jWrsRUK5AW22z/dvK4I
wIjPci8p1cvfgTXuVMYdVsc0jC/CaEBLDhN6aV1EBVSljN1/Yl+inO3G
-----END PRIVATE KEY-----
)";

}  // namespace

TEST_CASE("keys that sign are offered in their order, with what they are") {
  config::DkimKey next = row("next", rsa_pem());
  next.signs = false;
  config::DkimKey ed = row("ed", ed25519_pem());
  ed.subdomains = false;
  auto ring = open_keys({next, row("rsa", rsa_pem()), ed});
  REQUIRE(ring.ok());
  REQUIRE(ring->offered.keys.size() == 2);
  REQUIRE(ring->keys.size() == 2);
  CHECK(ring->offered.keys[0] ==
        ipc::SignerKey{"example.org", "rsa", SigningAlgorithm::rsa_sha256, true});
  CHECK(ring->offered.keys[1] ==
        ipc::SignerKey{"example.org", "ed", SigningAlgorithm::ed25519_sha256, false});
  CHECK(ring->keys[0].algorithm() == "rsa-sha256");
  CHECK(ring->keys[1].algorithm() == "ed25519-sha256");
  CHECK(open_keys({next})->keys.empty());
}

TEST_CASE("a key that cannot sign is an error that names its file") {
  struct {
    std::string pem;
    std::string says;
  } rows[] = {
      {"", "private key"},
      {"no key", "private key"},
      {kOtherCurve, "neither RSA nor Ed25519"},
      {kShortRsa, "1024 bits"},
  };
  for (const auto& one : rows) {
    CAPTURE(one.says);
    auto ring = open_keys({row("good", ed25519_pem()), row("bad", one.pem)});
    REQUIRE_FALSE(ring.ok());
    CHECK(ring.error().text.find("/keys/bad: ") == 0);
    CHECK(ring.error().text.find(one.says) != std::string::npos);
  }
  // One that only verifies what was signed with it before may be as short as verifiers take.
  config::DkimKey former = row("former", kShortRsa);
  former.signs = false;
  CHECK(tls::SigningKey::from_pem(former.key_pem).ok());
  CHECK(open_keys({former}).ok());
}
