// The users file: one `name:{SCHEME}secret` a line; empty lines and those that begin with '#' do
// not count. Pure syntax; checking a password against a secret is smtpd's and common/auth's work.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/sasl/exchange.h"

namespace postwain::sasl {

enum class Scheme : std::uint8_t {
  plain,  // PLAIN, CLEARTEXT: the password itself
  crypt,  // SHA512-CRYPT, SHA256-CRYPT, BLF-CRYPT, CRYPT: what crypt(3) knows
  scram,  // SCRAM-SHA-256: iterations,salt,StoredKey,ServerKey, the last three in base64
};

struct User {
  std::string name;
  Scheme scheme = Scheme::plain;
  std::string secret;  // plain, crypt
  ScramKeys keys;      // scram
};

struct UsersMistake {
  int line = 0;
  int column = 0;
  std::string message;
};

struct UsersFile {
  std::vector<User> users;
  std::vector<UsersMistake> mistakes;
};

UsersFile parse_users(std::string_view content);

}  // namespace postwain::sasl
