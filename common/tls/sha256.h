// SHA-256 (FIPS 180-4): of a text at once, or of one that comes in pieces.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace postwain::tls {

std::string sha256(std::string_view bytes);  // 32 octets

// Keeps a fixed amount of memory, however much it is given.
class Sha256 {
 public:
  Sha256();
  void take(std::string_view piece);
  // Another one that has taken the same so far.
  Sha256 copy() const;
  // The 32 octets of all that was taken. Once; nothing may be taken after it.
  std::string finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace postwain::tls
