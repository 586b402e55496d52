// Keyed hashes, by the test cases of RFC 2202 section 3.
#include <catch2/catch.hpp>

#include "common/base/text.h"
#include "common/tls/digest.h"

using namespace postwain;

TEST_CASE("HMAC-SHA1") {
  auto of = [](std::string_view key, std::string_view text) {
    return hex_encode(tls::hmac_sha1(key, text));
  };
  CHECK(of(std::string(20, '\x0b'), "Hi There") == "b617318655057264e28bc0b6fb378c8ef146be00");
  CHECK(of("Jefe", "what do ya want for nothing?") == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  CHECK(of(std::string(80, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First") ==
        "aa4ae5e15272d00e95705637ce8a3b55ed402112");
  CHECK(of("", "") == "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d");
}
