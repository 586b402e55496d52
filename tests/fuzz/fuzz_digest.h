// Hash functions for the SASL targets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/sasl/digest.h"

namespace postwain::fuzz {

// Not the real functions: quick, and no input can guess what they give.
class FuzzDigest final : public sasl::Digest {
 public:
  std::string sha256(std::string_view text) const override {
    std::uint64_t hash = 0x9E3779B97F4A7C15;
    for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
    std::string out;
    for (int i = 0; i < 32; ++i) out += static_cast<char>((hash >> (i % 8 * 8)) + i);
    return out;
  }
  std::string hmac_sha256(std::string_view key, std::string_view text) const override {
    return sha256(sha256(key) + std::string(text));
  }
  std::string hmac_md5(std::string_view key, std::string_view text) const override {
    return hmac_sha256(key, text).substr(0, 16);
  }
  std::string pbkdf2_sha256(std::string_view password, std::string_view salt,
                            std::uint32_t) const override {
    return hmac_sha256(password, salt);
  }
};

}  // namespace postwain::fuzz
