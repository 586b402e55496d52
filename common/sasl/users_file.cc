#include "common/sasl/users_file.h"

#include <fmt/format.h>

#include <map>

#include "common/base/text.h"

namespace postwain::sasl {

namespace {

constexpr std::uint32_t kIterationsMax = 10'000'000;
constexpr std::size_t kKeySize = 32;

// iterations,salt,StoredKey,ServerKey as Dovecot writes it
bool take_scram(std::string_view text, ScramKeys& keys) {
  std::vector<std::string_view> parts = split(text, ',');
  if (parts.size() != 4) return false;
  auto iterations = parse_decimal<std::uint32_t>(parts[0]);
  auto salt = base64_decode(parts[1]);
  auto stored = base64_decode(parts[2]);
  auto server = base64_decode(parts[3]);
  if (!iterations || *iterations < 1 || *iterations > kIterationsMax) return false;
  if (!salt || salt->empty() || !stored || stored->size() != kKeySize || !server ||
      server->size() != kKeySize)
    return false;
  keys = {*salt, *iterations, *stored, *server};
  return true;
}

// The prefix crypt(3) knows the method by.
bool is_crypt(std::string_view scheme, std::string_view secret) {
  auto begins = [&](std::string_view start) { return secret.substr(0, start.size()) == start; };
  if (scheme == "SHA512-CRYPT") return begins("$6$");
  if (scheme == "SHA256-CRYPT") return begins("$5$");
  if (scheme == "BLF-CRYPT") return begins("$2a$") || begins("$2b$") || begins("$2y$");
  return secret.size() >= 13 && secret.front() != '*';
}

// What is wrong; empty when nothing is.
std::string take_secret(std::string_view text, User& user) {
  std::size_t end = text.find('}');
  if (text.empty() || text.front() != '{' || end == std::string_view::npos)
    return "a {SCHEME} must stand before the secret, such as {SHA512-CRYPT}";
  std::string scheme(text.substr(1, end - 1));
  for (char& c : scheme)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  std::string_view secret = text.substr(end + 1);
  if (secret.empty()) return "the secret is missing";
  if (scheme == "PLAIN" || scheme == "CLEARTEXT") {
    user.secret = secret;
    if (secret.size() > kPasswordMax || !is_valid_utf8(secret)) return "the password is no UTF-8";
    return {};
  }
  if (scheme == "SCRAM-SHA-256") {
    user.scheme = Scheme::scram;
    return take_scram(secret, user.keys)
               ? std::string()
               : "SCRAM-SHA-256 needs iterations,salt,StoredKey,ServerKey";
  }
  if (scheme == "SHA512-CRYPT" || scheme == "SHA256-CRYPT" || scheme == "BLF-CRYPT" ||
      scheme == "CRYPT") {
    user.scheme = Scheme::crypt;
    user.secret = secret;
    return is_crypt(scheme, secret) ? std::string() : fmt::format("this is no {} hash", scheme);
  }
  return fmt::format(
      "unknown scheme '{}' (known: PLAIN, SHA512-CRYPT, SHA256-CRYPT, BLF-CRYPT, "
      "CRYPT, SCRAM-SHA-256)",
      printable(scheme, 40));
}

}  // namespace

UsersFile parse_users(std::string_view content) {
  UsersFile file;
  std::map<std::string, int, std::less<>> seen;
  int number = 0;
  for (std::string_view line : split(content, '\n')) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (trim(line).empty() || line.front() == '#') continue;
    std::size_t colon = line.find(':');
    User user;
    user.name = line.substr(0, colon);
    // A message must never show a secret.
    if (colon == std::string_view::npos || user.name.empty() || user.name.size() > kNameMax ||
        !is_valid_utf8(user.name)) {
      file.mistakes.push_back({number, 1, "a line of the users file is name:{SCHEME}secret"});
      continue;
    }
    std::string wrong = take_secret(line.substr(colon + 1), user);
    if (!wrong.empty()) {
      file.mistakes.push_back({number, static_cast<int>(colon) + 2, std::move(wrong)});
      continue;
    }
    auto [first, fresh] = seen.emplace(user.name, number);
    if (!fresh)
      file.mistakes.push_back(
          {number, 1,
           fmt::format("{} already stands at line {}", printable(user.name, 80), first->second)});
    else
      file.users.push_back(std::move(user));
  }
  return file;
}

}  // namespace postwain::sasl
