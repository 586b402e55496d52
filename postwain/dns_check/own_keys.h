// The keys of [[dkim_key]] as the DNS and people see them, and what each of them is for now: pure,
// but for read_own_keys().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/dkim/signature_field.h"
#include "common/base/result.h"
#include "common/config/config_fwd.h"
#include "common/config/table/dkim_key.h"

namespace postwain::tool {

enum class KeyRole : std::uint8_t {
  signs,
  next,  // it does not sign yet: it is newer than the keys that do
  old,   // it signs no more
};
std::string_view name_of(KeyRole role);

struct OwnKey {
  config::DkimKey entry;    // without its PEM
  config::Origin signs_at;  // where the value of `signs` stands; line 0: it is not given
  std::string path;         // of the key's file, from where we are
  std::string trouble{};    // why the key cannot be used, a sentence; then the next three are empty
  authentication::dkim::Algorithm algorithm = authentication::dkim::Algorithm::rsa_sha256;
  int bits = 0;
  std::string public_key{};  // as tls::SigningKey::public_key() gives it
  KeyRole role = KeyRole::signs;

  std::string record_name() const;     // "selector._domainkey.domain"; empty: there cannot be one
  std::string record() const;          // the text that is to stand there; empty with trouble
  std::string zone_line() const;       // both; empty with trouble
  std::string algorithm_text() const;  // "RSA with 2048 bits", "Ed25519", or "unknown"
};

// Puts into the key what its private key says, or its trouble.
void read_private_key(OwnKey& key, const Result<std::string>& pem);

// Whether a selector is newer than another: by its date where both are of the form that `dkim new`
// gives (s20261130a), else by the order in the configuration.
bool is_newer_key(const std::vector<OwnKey>& keys, std::size_t one, std::size_t other);

// Gives each key its role: one that does not sign is the next one if it is newer than all keys of
// the domain that sign with the same algorithm, or, where there is none, with any.
void assign_roles(std::vector<OwnKey>& keys);

// All keys, in the order of the configuration. main_file: relative paths begin beside it.
std::vector<OwnKey> read_own_keys(const config::Config& config, const std::string& main_file);

// Those of the domain (mail::domain_key()); empty: all of them.
std::vector<OwnKey> keys_of_domain(std::vector<OwnKey> keys, const std::string& domain);

}  // namespace postwain::tool
