#include "postwain/checking/checked_config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "common/base/time.h"
#include "common/config/folder_clash.h"
#include "common/daemon/server_tls.h"
#include "common/ipc/signer_messages.h"
#include "common/pattern/pattern.h"
#include "common/rewrite/rewriter.h"
#include "common/tls/signing_key.h"
#include "common/tls/tls.h"
#include "postwain/process/group.h"

namespace postwain::tool {

namespace {

constexpr auto kExpirySoon = std::chrono::hours(14 * 24);

void warn_of_certificate(config::Loaded& loaded, const config::TlsPair& pair, bool first) {
  auto facts =
      tls::certificate_facts(loaded.bundle.files.at(pair.certificate), loaded.config.hostname);
  auto warn = [&](std::string text) {
    loaded.warnings.push_back(config::Diagnostic{pair.origin, pair.certificate + " " + text});
  };
  if (!facts) return warn("cannot be judged: " + facts.error().text);
  WallTime now = wall_now();
  if (facts->not_after <= now)
    warn("has expired at " + format_rfc3339(facts->not_after));
  else if (facts->not_after <= now + kExpirySoon)
    warn("expires at " + format_rfc3339(facts->not_after));
  if (first && !facts->covers_host)
    warn("is not made out for the hostname " + loaded.config.hostname);
  if (!first && facts->names.empty())
    warn("names no host (subjectAltName), so no client will ever get it");
}

void check_certificates(config::Loaded& loaded) {
  const config::Tls& tls = loaded.config.tls;
  if (tls.certificate.empty()) return;
  auto context = daemon::open_server_tls(loaded.config, loaded.bundle);
  if (!context) {
    loaded.diagnostics.push_back(config::Diagnostic{tls.origin, context.error().text});
    return;
  }
  warn_of_certificate(loaded, tls, true);
  for (const config::TlsPair& pair : tls.more) warn_of_certificate(loaded, pair, false);
}

// What a route shows and runs; else each message would find out.
void check_routes(config::Loaded& loaded) {
  for (const config::Route& route : loaded.config.routes) {
    const mail::ClientCertificate& own = route.certificate;
    if (!own.chain.empty()) {
      auto context = tls::Context::client({tls::PeerProof::none, {own.chain, own.key}});
      if (!context)
        loaded.diagnostics.push_back(
            config::Diagnostic{route.origin, "certificate: " + context.error().text});
    }
    if (route.credential.kind != mail::Credential::Kind::command) continue;
    std::string program = route.credential.secret.substr(0, route.credential.secret.find(' '));
    if (::access(program.c_str(), X_OK) != 0)
      loaded.warnings.push_back(
          config::Diagnostic{route.origin, program + " cannot be run: " + std::strerror(errno)});
  }
}

void check_content_rules(config::Loaded& loaded) {
  for (const config::ContentRule& rule : loaded.config.content_rules)
    if (auto compiled = pattern::Pattern::compile(rule.pattern); !compiled)
      loaded.diagnostics.push_back(
          config::Diagnostic{rule.pattern_origin, "pattern: " + compiled.error().text});
}

// What is shown to a database, and whom its own certificate must lead to; else qmgr would wait for
// it, and the log would say why again and again.
void check_database_tls(config::Loaded& loaded) {
  const config::QueueDatabase& store = loaded.config.queue.store;
  if (!loaded.config.links_database()) return;
  auto context =
      tls::Context::client({tls::PeerProof::required, {store.certificate, store.key}, store.roots});
  if (context) return;
  loaded.diagnostics.push_back(config::Diagnostic{loaded.config.place_of("[queue]", "store"),
                                                  "store: " + context.error().text});
}

void check_viewers(config::Loaded& loaded) {
  const config::Control& control = loaded.config.control;
  for (const std::string& name : control.viewers)
    if (Result<gid_t> group = group_id(name); !group)
      loaded.warnings.push_back(config::Diagnostic{
          control.origin, group.error().text + " on this machine, so nobody may look by it"});
}

void check_signing_key(config::Loaded& loaded) {
  const config::TlsReports& reports = loaded.config.tls_reports;
  if (reports.dkim_key.empty()) return;
  if (auto key = tls::SigningKey::from_pem(reports.dkim_key_pem); !key)
    loaded.diagnostics.push_back(
        config::Diagnostic{reports.origin, reports.dkim_key + ": " + key.error().text});
}

void check_dkim_keys(config::Loaded& loaded) {
  std::size_t signing = 0;
  for (const config::DkimKey& one : loaded.config.dkim_keys) {
    // One that does not sign may be shorter: what was signed with it before is still on its way.
    auto key = one.signs ? tls::SigningKey::from_pem_to_sign(one.key_pem)
                         : tls::SigningKey::from_pem(one.key_pem);
    config::Origin at = loaded.config.place_of(one.origin.text(), "key");
    if (at.line == 0) at = one.origin;
    if (!key)
      loaded.diagnostics.push_back(config::Diagnostic{at, one.key + ": " + key.error().text});
    if (one.signs && ++signing == ipc::kSignerKeysMax + 1)
      loaded.diagnostics.push_back(config::Diagnostic{
          one.origin, fmt::format("more than {} keys sign mail", ipc::kSignerKeysMax)});
  }
}

void warn_of_open_secrets(config::Loaded& loaded, const std::string& main_file) {
  std::string directory = main_file.substr(0, main_file.rfind('/') + 1);
  for (const config::NamedFile& file : loaded.named_files) {
    bool passwords = file.path == loaded.config.auth.users_file;
    bool secret =
        file.use == config::FileUse::key || file.use == config::FileUse::credential ||
        file.use == config::FileUse::signing_key || file.use == config::FileUse::dkim_key ||
        file.use == config::FileUse::srs_secret || file.use == config::FileUse::database_secret ||
        file.use == config::FileUse::database_key;
    if (!secret && !passwords) continue;
    std::string path = file.path.front() == '/' ? file.path : directory + file.path;
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0)
      loaded.warnings.push_back(config::Diagnostic{
          config::Origin{path, 0, 0}, "every user of this machine can read this secret"});
  }
}

// As plain_path(), with the links that are there followed, and from the top.
std::string real_path(const std::string& path) {
  std::error_code unknown;
  std::filesystem::path found = std::filesystem::weakly_canonical(path, unknown);
  if (!unknown) found = std::filesystem::absolute(found, unknown);
  if (!unknown) return found.lexically_normal().string();
  // Whoever only asks may not be let into it; as root, which counts, there is an answer.
  return std::filesystem::absolute(path, unknown).lexically_normal().string();
}

void check_real_folders(config::Loaded& loaded, const std::string& main_file) {
  std::string directory = main_file.substr(0, main_file.rfind('/') + 1);
  for (config::Diagnostic& one : config::folder_clashes(loaded.config, directory, real_path))
    loaded.diagnostics.push_back(std::move(one));
}

}  // namespace

config::Loaded load_checked(const std::string& file) {
  return checked(config::load(file));
}

config::Loaded checked(config::Loaded loaded) {
  if (!loaded.diagnostics.empty()) return loaded;
  check_real_folders(loaded, loaded.bundle.main_file);
  check_certificates(loaded);
  check_routes(loaded);
  check_database_tls(loaded);
  check_signing_key(loaded);
  check_dkim_keys(loaded);
  check_viewers(loaded);
  check_content_rules(loaded);
  warn_of_open_secrets(loaded, loaded.bundle.main_file);
  // Mail to these fails with the reason; all other mail goes on.
  for (config::Diagnostic& one : rewrite::problems(loaded.config.addresses))
    loaded.warnings.push_back(std::move(one));
  return loaded;
}

}  // namespace postwain::tool
