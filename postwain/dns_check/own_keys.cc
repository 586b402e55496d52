#include "postwain/dns_check/own_keys.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "common/authentication/dkim/published_key.h"
#include "common/authentication/dkim/sign.h"
#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/tls/signing_key.h"
#include "postwain/dns_check/key_selector.h"

namespace postwain::tool {

namespace dkim = authentication::dkim;

namespace {

constexpr std::size_t kPrivateKeyFileMax = 64U << 10;

dkim::KeyFacts key_facts(const OwnKey& key) {
  return {key.entry.domain, key.entry.selector, key.algorithm};
}

bool is_same_domain(const OwnKey& one, const OwnKey& other) {
  return one.entry.domain == other.entry.domain;
}

bool is_newer_than_all_that_sign(const std::vector<OwnKey>& keys, std::size_t key,
                                 bool any_algorithm, bool& there_are) {
  there_are = false;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!keys[i].entry.signs || !is_same_domain(keys[i], keys[key])) continue;
    if (!any_algorithm && keys[i].algorithm != keys[key].algorithm) continue;
    there_are = true;
    if (!is_newer_key(keys, key, i)) return false;
  }
  return true;
}

}  // namespace

std::string_view name_of(KeyRole role) {
  switch (role) {
    case KeyRole::signs:
      return "signs";
    case KeyRole::next:
      return "next";
    case KeyRole::old:
      return "old";
  }
  PW_CHECK(false);
}

std::string OwnKey::record_name() const {
  return dkim::key_record_name(key_facts(*this));
}

std::string OwnKey::record() const {
  return trouble.empty() ? dkim::key_record_text(algorithm, public_key) : std::string();
}

std::string OwnKey::zone_line() const {
  return trouble.empty() ? dkim::key_zone_line(key_facts(*this), record()) : std::string();
}

std::string OwnKey::algorithm_text() const {
  if (!trouble.empty()) return "unknown";
  if (algorithm == dkim::Algorithm::ed25519_sha256) return "Ed25519";
  return fmt::format("RSA with {} bits", bits);
}

void read_private_key(OwnKey& key, const Result<std::string>& pem) {
  if (!pem) {
    key.trouble = "the key cannot be read: " + pem.error().text;
    return;
  }
  auto own = tls::SigningKey::from_pem(*pem);
  if (!own) {
    key.trouble = fmt::format("{} is no key: {}", key.path, own.error().text);
    return;
  }
  auto algorithm = dkim::algorithm_of(own->algorithm());
  if (!algorithm) {
    key.trouble = fmt::format("{}: DKIM knows no {}", key.path, own->algorithm());
    return;
  }
  key.algorithm = *algorithm;
  key.bits = own->bits();
  key.public_key = own->public_key();
}

bool is_newer_key(const std::vector<OwnKey>& keys, std::size_t one, std::size_t other) {
  const std::string& a = keys[one].entry.selector;
  const std::string& b = keys[other].entry.selector;
  return is_dated_selector(a) && is_dated_selector(b) ? a > b : one > other;
}

void assign_roles(std::vector<OwnKey>& keys) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].entry.signs) {
      keys[i].role = KeyRole::signs;
      continue;
    }
    bool there_are = false;
    bool newer = is_newer_than_all_that_sign(keys, i, false, there_are);
    if (!there_are) newer = is_newer_than_all_that_sign(keys, i, true, there_are);
    keys[i].role = newer ? KeyRole::next : KeyRole::old;
  }
}

std::vector<OwnKey> read_own_keys(const config::Config& config, const std::string& main_file) {
  std::string folder = main_file.substr(0, main_file.rfind('/') + 1);
  std::vector<OwnKey> out;
  for (const config::DkimKey& entry : config.dkim_keys) {
    OwnKey key;
    key.entry = entry;
    key.entry.key_pem.clear();
    key.signs_at = config.place_of(entry.origin.text(), "signs");
    key.path = entry.key.empty() || entry.key.front() == '/' ? entry.key : folder + entry.key;
    read_private_key(key, read_small_file(key.path, kPrivateKeyFileMax));
    out.push_back(std::move(key));
  }
  assign_roles(out);
  return out;
}

std::vector<OwnKey> keys_of_domain(std::vector<OwnKey> keys, const std::string& domain) {
  if (!domain.empty())
    std::erase_if(keys, [&](const OwnKey& key) { return key.entry.domain != domain; });
  return keys;
}

}  // namespace postwain::tool
