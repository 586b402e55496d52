#include "common/auth/password_hash.h"

#include <crypt.h>

#include <memory>

namespace postwain::auth {

bool matches_crypt(const std::string& password, const std::string& hash) {
  // 32 KiB, too much for a thread's stack to be sure of.
  auto data = std::make_unique<crypt_data>();
  const char* made = crypt_rn(password.c_str(), hash.c_str(), data.get(), sizeof *data);
  if (made == nullptr) return false;
  std::string_view text(made);
  if (text.size() != hash.size()) return false;
  volatile unsigned char difference = 0;
  for (std::size_t i = 0; i < text.size(); ++i)
    difference = static_cast<unsigned char>(difference | (text[i] ^ hash[i]));
  return difference == 0;
}

}  // namespace postwain::auth
