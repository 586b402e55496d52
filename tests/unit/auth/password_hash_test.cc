// crypt(3) hashes of every kind the users file names.
#include <catch2/catch.hpp>

#include <crypt.h>

#include "common/auth/password_hash.h"

using postwain::auth::matches_crypt;

TEST_CASE("hashes of crypt(3)", "[auth]") {
  // Made by openssl passwd.
  const char* const sha512 =
      "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnI"
      "FNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
  const char* const sha256 = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5";
  CHECK(matches_crypt("Hello world!", sha512));
  CHECK(matches_crypt("Hello world!", sha256));
  for (const char* hash : {sha512, sha256}) {
    CHECK_FALSE(matches_crypt("Hello world", hash));
    CHECK_FALSE(matches_crypt("", hash));
  }
  for (const char* prefix : {"$y$", "$2b$", "$6$"}) {
    INFO(prefix);
    std::string setting = crypt_gensalt(prefix, prefix[1] == '2' ? 4 : 0, nullptr, 0);
    std::string made = crypt("sécret", setting.c_str());
    CHECK(matches_crypt("sécret", made));
    CHECK_FALSE(matches_crypt("secret", made));
  }
  for (const char* bad : {"", "*0", "$6$", "x", "$99$a$b"}) CHECK_FALSE(matches_crypt("a", bad));
}
