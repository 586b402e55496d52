#include "common/daemon/confinement.h"
#include "common/config/config.h"

#include <cstdlib>
#include <ctime>

#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/log/log.h"
#include "common/sandbox/files.h"

namespace postwain::daemon {

namespace {

constexpr std::uint16_t kDnsPort = 53;

// What name lookups and times of day are read from while a process runs.
const std::vector<std::string> kPublicFiles = {
    "/etc/hosts",     "/etc/resolv.conf",    "/etc/nsswitch.conf", "/etc/host.conf",
    "/etc/localtime", "/usr/share/zoneinfo", "/dev/urandom"};
// Roots of trust; OpenSSL looks for some of them when a certificate is judged.
const std::vector<std::string> kTrustFiles = {"/etc/ssl/certs", "/usr/lib/ssl",
                                              "/usr/share/ca-certificates",
                                              "/usr/local/share/ca-certificates"};

std::vector<std::uint16_t> dns_ports(const std::vector<std::string>& servers) {
  std::vector<std::uint16_t> out{kDnsPort};
  for (const std::string& server : servers) {
    std::size_t colon = server.rfind(':');
    if (colon == std::string::npos) continue;
    if (auto port = parse_decimal<std::uint16_t>(std::string_view(server).substr(colon + 1)))
      out.push_back(*port);
  }
  return out;
}

// The filters' own, and those of the DNS, which is asked for their names. (Their Unix sockets are a
// matter of the files' rights: Landlock does not guard connecting to one.)
std::vector<std::uint16_t> filter_ports(const config::Config& config) {
  std::vector<std::uint16_t> out = dns_ports(config.dns.servers);
  for (const config::Filter& filter : config.filters)
    if (filter.socket.port != 0) out.push_back(filter.socket.port);
  return out;
}

// Those of the hosts that have the database, and of the DNS, which is asked for their names.
std::vector<std::uint16_t> database_ports(const config::Config& config) {
  std::vector<std::uint16_t> out = dns_ports(config.dns.servers);
  if (!config.queue.store.address) return out;
  for (const config::DatabaseHost& host : config.queue.store.address->hosts)
    if (!host.is_local()) out.push_back(host.port);
  return out;
}

sandbox::Reach reach_of(sandbox::Profile profile, const config::Config& config) {
  sandbox::Reach reach;
  reach.read = kPublicFiles;
  switch (profile) {
    case sandbox::Profile::receiver:
      reach.connect_ports = dns_ports(config.dns.servers);
      break;
    case sandbox::Profile::sender:
      reach.read.insert(reach.read.end(), kTrustFiles.begin(), kTrustFiles.end());
      reach.connect_ports.reset();
      reach.bind_ports = {0};  // a source address
      break;
    case sandbox::Profile::poster:
      reach.read.insert(reach.read.end(), kTrustFiles.begin(), kTrustFiles.end());
      reach.connect_ports.reset();
      if (config.tls_reports.wanted) reach.write.push_back(config.tls_reports.folder);
      if (config.dmarc_reports.wanted) reach.write.push_back(config.dmarc_reports.folder);
      break;
    case sandbox::Profile::asker:
      reach.connect_ports = filter_ports(config);
      break;
    case sandbox::Profile::relay:
      reach.read.insert(reach.read.end(), kTrustFiles.begin(), kTrustFiles.end());
      reach.connect_ports = database_ports(config);
      break;
    case sandbox::Profile::queue:
      // Each may be a link to another disk.
      reach.write = {config.spool_dir, config.spool_dir + "/content", config.runtime_dir};
      break;
    case sandbox::Profile::collector:
      reach.write = {config.drop_dir};
      break;
    case sandbox::Profile::watcher:
      reach.read.push_back("/proc");
      break;
    case sandbox::Profile::keeper:
      reach.read.clear();
      break;
    case sandbox::Profile::launcher:
      break;
  }
  return reach;
}

}  // namespace

sandbox::Profile profile_of(const std::string& program) {
  if (program == "smtpd") return sandbox::Profile::receiver;
  if (program == "smtp-client" || program == "lmtp-client") return sandbox::Profile::sender;
  if (program == "qmgr") return sandbox::Profile::queue;
  if (program == "pickup") return sandbox::Profile::collector;
  if (program == "reporter") return sandbox::Profile::poster;
  if (program == "filter") return sandbox::Profile::asker;
  if (program == "db-link") return sandbox::Profile::relay;
  if (program == "signer") return sandbox::Profile::keeper;
  if (program == "metrics") return sandbox::Profile::watcher;
  return sandbox::Profile::launcher;
}

Confinement::Confinement(std::string program, const config::Config& config)
    : program_(std::move(program)), config_(config), profile_(profile_of(program_)) {}

void Confinement::give_up_files() {
  ::tzset();
  // Programs that are started inherit what is given up here, and need what we do not know.
  if (config_.sandbox == config::Sandbox::off || profile_ == sandbox::Profile::launcher) return;
  // Keys and mail in our memory are nobody's: no core file, no debugger of the same user.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) fail("dumpable", system_error("prctl", errno));
  auto version = sandbox::confine_files(reach_of(profile_, config_));
  if (version)
    landlock_ = *version;
  else
    fail("files", version.error());
}

void Confinement::give_up_calls() {
  if (config_.sandbox == config::Sandbox::off) {
    log::Line(log::Level::warning, "not_confined")
        .kv("what", "everything")
        .kv("error", "[sandbox] mode = off");
    return;
  }
  bool strict = config_.sandbox == config::Sandbox::strict;
  if (Status done = sandbox::confine_calls(profile_, strict); !done)
    return fail("calls", done.error());
  log::Line(log::Level::info, "confined")
      .kv("uid", ::geteuid())
      .kv("seccomp", strict ? "strict" : "on")
      .kv("landlock", landlock_);
}

void Confinement::fail(const char* what, const Error& error) const {
  bool strict = config_.sandbox == config::Sandbox::strict;
  log::Line(strict ? log::Level::error : log::Level::warning, "not_confined")
      .kv("what", what)
      .kv("error", error.text);
  if (!strict) return;
  log::flush();
  std::_Exit(kExitOsError);
}

sandbox::Targets selftest_targets(const config::Config& config) {
  sandbox::Targets out{config.spool_dir, {}};
  auto add = [&](const std::string& path) {
    if (!path.empty()) out.secrets.push_back(path);
  };
  add(config.tls.key);
  for (const config::TlsPair& pair : config.tls.more) add(pair.key);
  add(config.auth.users_file);
  add(config.tls_reports.dkim_key);
  for (const config::DkimKey& key : config.dkim_keys) add(key.key);
  return out;
}

}  // namespace postwain::daemon
