#include "postwain/dkim/new_key.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/config/document/values.h"
#include "common/mail/address.h"
#include "postwain/dkim/changed_config.h"
#include "postwain/dns_check/key_selector.h"

namespace postwain::tool {

namespace {

// As the DNS writes it.
Result<std::string> name_in_dns(std::string_view what, const std::string& text) {
  std::string name = mail::domain_key(text);
  if (config::is_domain(name) && is_ascii(name)) return name;
  return Error{fmt::format("{} '{}' is not a name as in DNS", what, printable(text)), kExitUsage};
}

// The path as the configuration is to name it.
std::string default_key_file(const std::string& domain, const std::string& selector) {
  return fmt::format("dkim/{}.{}.pem", domain, selector);
}

std::string path_beside(const std::string& main_file, const std::string& file) {
  return file.empty() || file.front() == '/' ? file : folder_of_config(main_file) + file;
}

bool is_configured(const config::Config& config, const std::string& domain,
                   const std::string& selector) {
  return std::any_of(
      config.dkim_keys.begin(), config.dkim_keys.end(),
      [&](const config::DkimKey& key) { return key.domain == domain && key.selector == selector; });
}

// A file that the caller names is meant from where he is.
Result<std::string> wanted_key_file(const std::string& file) {
  std::size_t slash = file.rfind('/');
  std::string name = slash == std::string::npos ? file : file.substr(slash + 1);
  std::string folder = slash == std::string::npos ? "." : file.substr(0, slash + 1);
  if (name.empty()) return Error{file + " names no file", kExitUsage};
  if (printable(file, file.size() * 4 + 4) != file)
    return Error{"the name of the key's file has characters that a configuration cannot name",
                 kExitUsage};
  // A folder that is not there yet is made with the file.
  auto real = real_path(folder);
  if (real) return *real == "/" ? "/" + name : *real + "/" + name;
  if (folder.front() == '/') return file;
  auto here = real_path(".");
  if (!here) return here.error();
  return *here + "/" + file;
}

Result<std::string> selector_for(const config::Config& config, const std::string& main_file,
                                 const std::string& domain, const NewKeyWish& wish, WallTime now) {
  if (!wish.selector.empty()) {
    auto selector = name_in_dns("the selector", wish.selector);
    if (!selector || config::is_selector(*selector)) return selector;
    return Error{fmt::format("the selector '{}' is the name of the record; give the part before "
                             "'._domainkey' alone",
                             printable(wish.selector)),
                 kExitUsage};
  }
  auto free = free_selector(now, [&](const std::string& selector) {
    std::string path = path_beside(main_file, default_key_file(domain, selector));
    return is_configured(config, domain, selector) || ::access(path.c_str(), F_OK) == 0;
  });
  if (free) return *std::move(free);
  return Error{"all selectors of this day are taken; name one with --selector", kExitCantCreate};
}

// The file as the configuration is to name it, or, for a key that it has, names it.
Result<std::string> file_for(const config::DkimKey* configured, const std::string& main_file,
                             const KeyBlock& block, const NewKeyWish& wish) {
  if (configured != nullptr && wish.file.empty()) return configured->key;
  if (wish.file.empty()) return default_key_file(block.domain, block.selector);
  auto wanted = wanted_key_file(wish.file);
  if (!wanted || configured == nullptr) return wanted;
  auto named = wanted_key_file(path_beside(main_file, configured->key));
  if (named && *named == *wanted) return configured->key;
  return Error{
      fmt::format("{} has a key with the selector {} already, whose file is {} ({})", block.domain,
                  block.selector, printable(configured->key), configured->origin.text()),
      kExitUsage};
}

// The table that the key is for: one that is there already, or one as is wished.
config::DkimKey entry_for(const config::DkimKey* configured, const KeyBlock& block) {
  if (configured != nullptr) return *configured;
  config::DkimKey out;
  out.domain = block.domain;
  out.selector = block.selector;
  out.key = block.key;
  out.subdomains = block.subdomains;
  out.signs = block.signs;
  return out;
}

}  // namespace

Result<tls::KeyKind> key_kind_of(const std::string& algorithm, int bits) {
  if (algorithm == "ed25519") {
    if (bits == 0) return tls::KeyKind::ed25519;
    return Error{"--bits is for RSA; keys of Ed25519 are all of one length", kExitUsage};
  }
  if (algorithm != "rsa") return Error{"--algorithm: rsa or ed25519", kExitUsage};
  switch (bits) {
    case 0:
    case 2048:
      return tls::KeyKind::rsa_2048;
    case 3072:
      return tls::KeyKind::rsa_3072;
    case 4096:
      return tls::KeyKind::rsa_4096;
    default:
      return Error{"--bits: 2048, 3072 or 4096", kExitUsage};
  }
}

tls::KeyKind kind_like(const OwnKey& key) {
  if (key.algorithm == authentication::dkim::Algorithm::ed25519_sha256)
    return tls::KeyKind::ed25519;
  if (key.bits <= 2048) return tls::KeyKind::rsa_2048;
  return key.bits <= 3072 ? tls::KeyKind::rsa_3072 : tls::KeyKind::rsa_4096;
}

const config::DkimKey* configured_key(const config::Config& config, const NewKeyWish& wish) {
  std::string domain = mail::domain_key(wish.domain);
  std::string selector = mail::domain_key(wish.selector);
  for (const config::DkimKey& key : config.dkim_keys)
    if (key.domain == domain && key.selector == selector) return &key;
  return nullptr;
}

Result<NewKey> make_new_key(const config::Config& config, const std::string& main_file,
                            const NewKeyWish& wish, WallTime now) {
  auto domain = name_in_dns("the domain", wish.domain);
  if (!domain) return domain.error();
  auto selector = selector_for(config, main_file, *domain, wish, now);
  if (!selector) return selector.error();
  const config::DkimKey* configured = configured_key(config, wish);
  NewKey out;
  out.configured = configured != nullptr;
  out.block = {*domain, *selector, {}, wish.subdomains, wish.signs};
  auto file = file_for(configured, main_file, out.block, wish);
  if (!file) return file.error();
  out.block.key = *file;
  out.key.entry = entry_for(configured, out.block);
  out.block.subdomains = out.key.entry.subdomains;
  out.block.signs = out.key.entry.signs;
  out.key.role = out.block.signs ? KeyRole::signs : KeyRole::next;
  out.key.path = path_beside(main_file, *file);
  if (::access(out.key.path.c_str(), F_OK) == 0)
    return Error{out.key.path + " is there already, and stays as it is", kExitCantCreate};
  auto pem = tls::new_private_key(wish.kind);
  if (!pem) return Error{pem.error().text, kExitSoftware};
  out.pem = pem.take();
  read_private_key(out.key, Result<std::string>(out.pem));
  if (!out.key.trouble.empty()) return Error{out.key.trouble, kExitSoftware};
  if (out.key.record_name().empty())
    return Error{fmt::format("the name of the record, {}._domainkey.{}, would be too long",
                             *selector, *domain),
                 kExitUsage};
  return out;
}

}  // namespace postwain::tool
