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
    if (!selector) return selector.error();
    if (!is_configured(config, domain, *selector)) return selector;
    return Error{fmt::format("{} has a key with the selector {} already", domain, *selector),
                 kExitUsage};
  }
  auto free = free_selector(now, [&](const std::string& selector) {
    std::string path = path_beside(main_file, default_key_file(domain, selector));
    return is_configured(config, domain, selector) || ::access(path.c_str(), F_OK) == 0;
  });
  if (free) return *std::move(free);
  return Error{"all selectors of this day are taken; name one with --selector", kExitCantCreate};
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

Result<NewKey> make_new_key(const config::Config& config, const std::string& main_file,
                            const NewKeyWish& wish, WallTime now) {
  auto domain = name_in_dns("the domain", wish.domain);
  if (!domain) return domain.error();
  auto selector = selector_for(config, main_file, *domain, wish, now);
  if (!selector) return selector.error();
  std::string file = default_key_file(*domain, *selector);
  if (!wish.file.empty()) {
    auto wanted = wanted_key_file(wish.file);
    if (!wanted) return wanted.error();
    file = wanted.take();
  }
  NewKey out;
  out.key.path = path_beside(main_file, file);
  if (::access(out.key.path.c_str(), F_OK) == 0)
    return Error{out.key.path + " is there already, and stays as it is", kExitCantCreate};
  auto pem = tls::new_private_key(wish.kind);
  if (!pem) return Error{pem.error().text, kExitSoftware};
  out.pem = pem.take();
  out.block = {*domain, *selector, file, wish.subdomains, wish.signs};
  out.key.entry.domain = *domain;
  out.key.entry.selector = *selector;
  out.key.entry.key = file;
  out.key.entry.subdomains = wish.subdomains;
  out.key.entry.signs = wish.signs;
  out.key.role = wish.signs ? KeyRole::signs : KeyRole::next;
  read_private_key(out.key, Result<std::string>(out.pem));
  if (!out.key.trouble.empty()) return Error{out.key.trouble, kExitSoftware};
  if (out.key.record_name().empty())
    return Error{fmt::format("the name of the record, {}._domainkey.{}, would be too long",
                             *selector, *domain),
                 kExitUsage};
  return out;
}

}  // namespace postwain::tool
