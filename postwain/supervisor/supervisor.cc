#include "postwain/supervisor/supervisor.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/daemon/peer_users.h"
#include "common/daemon/server_tls.h"
#include "common/log/log.h"
#include "postwain/client/client_facts.h"
#include "postwain/process/trouble_file.h"
#include "postwain/supervisor/duties.h"
#include "postwain/supervisor/folders.h"

namespace postwain::tool {

namespace {

constexpr Duration kDrainAtMost = std::chrono::seconds(60);
constexpr Duration kCertificateCheck = std::chrono::seconds(5);
constexpr auto kEndsLookedAt = std::chrono::hours(24);
constexpr auto kEndsSoon = std::chrono::hours(14 * 24);

daemon::PeerUsers peer_users(const Identities& who) {
  if (!who.change) return {};
  return {{ipc::Role::smtpd, who.at(Kind::smtpd).uid},
          {ipc::Role::smtp_client, who.at(Kind::smtp_client).uid},
          {ipc::Role::lmtp_client, who.at(Kind::lmtp_client).uid},
          {ipc::Role::metrics, who.at(Kind::metrics).uid},
          {ipc::Role::tokens, who.at(Kind::tokens).uid},
          {ipc::Role::reporter, who.at(Kind::reporter).uid},
          {ipc::Role::pickup, who.at(Kind::pickup).uid},
          {ipc::Role::filter, who.at(Kind::filter).uid},
          {ipc::Role::signer, who.at(Kind::signer).uid}};
}

bool is_any(Kind) {
  return true;
}

}  // namespace

Supervisor::Supervisor(net::Loop& loop, Setup setup, std::function<void()> on_change,
                       std::function<void()> on_end)
    : loop_(loop),
      setup_(std::move(setup)),
      on_change_(std::move(on_change)),
      on_end_(std::move(on_end)),
      children_(
          loop, [this](Kind kind) { return launch_spec(kind); },
          Child::Callbacks{[this](Child& child) { became_ready(child); },
                           [this](Child&) { on_change_(); },
                           [this](const Error& error) {
                             leave(kExitOsError, "cannot start a process: " + error.text);
                           }}),
      kill_timer_(loop),
      certificate_timer_(loop),
      tickets_(tls::TicketSeed::random(wall_now())),
      manager_(loop) {}

Supervisor::~Supervisor() {
  loop_.forget_turn_end(this);
}

void Supervisor::start() {
  const config::Workers& workers = setup_.loaded.config.workers;
  add_database_link();
  add(Kind::qmgr, 1);
  add(Kind::smtp_client, workers.smtp_client);
  add(Kind::lmtp_client, workers.lmtp_client);
  add(Kind::smtpd, workers.smtpd);
  add_filter();
  add_signer();
  add_tokens();
  add_pickup();
  add_reporter();
  add_metrics();
  certificates_.follow(setup_.loaded);
  leave_client_facts();
  write_troubles(setup_.loaded.config, {});  // what one that was killed has left
  warn_of_no_name_server();
  // Also so that the seed of a former period is not kept for the days no process is started in.
  certificate_timer_.repeat(kCertificateCheck, [this] {
    tickets_.advance(wall_now());
    look_at_certificates();
    look_at_name_servers();
    if (refresh_troubles()) on_change_();
  });
}

void Supervisor::add(Kind kind, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count && phase_ == Phase::running; ++i) children_.add(kind, i);
}

void Supervisor::became_ready(const Child& child) {
  if (!child.stopping()) children_.stop_relieved(child.kind());
  refresh_troubles();
  on_change_();
  look_whether_ready();
}

void Supervisor::add_filter() {
  const config::Config& config = setup_.loaded.config;
  if (!config.filters_mail()) return;
  if (config.strangers.wanted)
    if (Status made = prepare_strangers_folder(config, setup_.identities); !made)
      log::Line(log::Level::error, "seen_not_saved").kv("reason", made.error().text);
  add(Kind::filter, 1);
}

void Supervisor::add_signer() {
  if (setup_.loaded.config.signs_mail()) add(Kind::signer, 1);
}

void Supervisor::add_tokens() {
  if (runs_commands(setup_.loaded.config)) add(Kind::tokens, 1);
}

void Supervisor::add_pickup() {
  const std::string& folder = setup_.loaded.config.drop_dir;
  if (!folder.empty() && ::access(folder.c_str(), W_OK | X_OK) == 0) add(Kind::pickup, 1);
}

void Supervisor::add_reporter() {
  const config::Config& config = setup_.loaded.config;
  bool tls = config.tls_reports.wanted;
  bool dmarc = config.dmarc_reports.wanted;
  Status tls_made = tls ? prepare_tls_reports_folder(config, setup_.identities) : Status();
  Status dmarc_made = dmarc ? prepare_dmarc_reports_folder(config, setup_.identities) : Status();
  if (!tls_made) log::Line(log::Level::error, "no_tls_reports").kv("error", tls_made.error().text);
  if (!dmarc_made)
    log::Line(log::Level::error, "no_dmarc_reports").kv("error", dmarc_made.error().text);
  if ((tls && tls_made) || (dmarc && dmarc_made)) add(Kind::reporter, 1);
}

void Supervisor::add_metrics() {
  metrics_at_ = setup_.loaded.config.metrics_address;
  if (!metrics_at_.empty()) add(Kind::metrics, 1);
}

// Its sockets are there before it is: whoever connects waits for it, and finds it again when it has
// been started anew.
void Supervisor::add_database_link() {
  if (setup_.loaded.config.links_database()) add(Kind::db_link, 1);
}

// Its end cuts the sessions of qmgr, which opens others.
void Supervisor::replace_database_link(const config::Config& before) {
  if (same_link(before, setup_.loaded.config)) return;
  children_.let_go(children_.take_out([](Kind kind) { return kind == Kind::db_link; }),
                   setup_.loaded.config);
  add_database_link();
}

std::vector<int> Supervisor::listeners_for(Kind kind) const {
  if (kind == Kind::smtpd) return setup_.listeners.descriptors(setup_.loaded.config.listeners);
  std::vector<int> out;
  if (kind == Kind::db_link)
    for (const UniqueFd& socket : setup_.database_sockets) out.push_back(socket.get());
  return out;
}

Child::LaunchSpec Supervisor::launch_spec(Kind kind) {
  const Identities& who = setup_.identities;
  config::Bundle bundle = bundle_for(kind, setup_.loaded);
  tickets_.advance(wall_now());
  if (kind == Kind::smtpd) bundle.files[daemon::kTicketSeedFile] = tickets_.text();
  if (kind == Kind::smtpd) bundle.files[daemon::kLoginSecretFile] = setup_.login_secret;
  if (kind == Kind::db_link)
    bundle.files[daemon::kQueueUserFile] =
        std::to_string(who.change ? who.at(Kind::qmgr).uid : ::geteuid());
  if (kind == Kind::qmgr) bundle.files[daemon::kPeerUsersFile] = daemon::encode(peer_users(who));
  return Child::LaunchSpec{
      fmt::format("{}/{}", setup_.program_folder, name_of(kind)),
      who.change ? std::optional(who.at(kind)) : std::nullopt,
      std::move(bundle),
      listeners_for(kind),
  };
}

void Supervisor::look_whether_ready() {
  if (!children_.all_ready() || ready_logged_ || phase_ != Phase::running) return;
  ready_logged_ = true;
  log::Line(log::Level::info, "ready")
      .kv("hostname", setup_.loaded.config.hostname)
      .kv("listeners", listener_names())
      .kv("processes", children_.present().size());
  manager_.ready("accepting mail at " + listener_names());
}

std::string Supervisor::listener_names() const {
  std::string out;
  for (const config::Listener& listener : setup_.loaded.config.listeners)
    out += (out.empty() ? "" : ",") + listener.name();
  return out;
}

void Supervisor::reload_ended() {
  if (ready_logged_ && phase_ == Phase::running)
    manager_.ready("accepting mail at " + listener_names());
}

void Supervisor::reap() {
  int status = 0;
  pid_t pid = 0;
  while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0)
    if (Child* child = children_.find(pid)) child_died(*child, status);
  children_.forget_ended();
  go_on_draining();
}

void Supervisor::child_died(Child& child, int status) {
  Duration lived = child.lived();
  Child::Death death = child.died();
  bool wanted = child.stopping();
  bool clean = wanted && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  {
    log::Line line(clean ? log::Level::info : log::Level::warning, "child_exit");
    line.kv("process", child.name()).kv("how", how_it_ended(status));
    line.kv("lived", format_duration(lived));
    if (!wanted) line.kv("restart_in", format_duration(death.restart_in));
    EndCause end = cause_of_end(status, child.said());
    if (WIFSIGNALED(status) && !end.cause.empty()) line.kv("cause", end.cause);
  }
  if (death.never_ready || death.keeps_ending) {
    troubles_.add(child, status, death);
    write_troubles(setup_.loaded.config, troubles_.texts());
  }
  on_change_();
  if (draining() && is_crash(status)) note_crash_at_end(child);
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  // These two will not get better by trying again: a damaged or foreign database, a bad
  // configuration.
  if (code == kExitDataError || code == kExitConfig)
    leave(code, fmt::format("{} cannot work (see its messages above)", child.name()));
}

// Nothing will start it again, and nobody may look at a log of what was to end anyway.
void Supervisor::note_crash_at_end(const Child& child) {
  if (exit_code_ == 0) exit_code_ = kExitSoftware;
  log::Line(log::Level::error, "crashed_at_end").kv("process", child.name()).kv("exit", exit_code_);
}

void Supervisor::leave(int exit_code, const std::string& why) {
  log::Line(log::Level::error, "giving_up").kv("reason", why).kv("exit", exit_code);
  if (exit_code_ == 0) exit_code_ = exit_code;
  drain();
}

void Supervisor::drain() {
  if (phase_ != Phase::running) return;
  phase_ = Phase::stopping_workers;
  log::Line(log::Level::info, "draining").kv("processes", children_.count());
  manager_.stopping();
  write_troubles(setup_.loaded.config, {"postwain is being stopped"});
  setup_.listeners.close_all();
  children_.stop(is_worker);
  children_.stop_retiring();
  kill_timer_.start(kDrainAtMost, [this] {
    log::Line(log::Level::error, "drain_timeout").kv("after", format_duration(kDrainAtMost));
    children_.kill_all();
  });
  on_change_();
  // Not from here: drain() may be called by a child that is being looked at.
  loop_.at_turn_end(this, [this] { go_on_draining(); });
}

void Supervisor::go_on_draining() {
  if (phase_ == Phase::stopping_workers && children_.all_gone(is_worker)) {
    phase_ = Phase::stopping_qmgr;
    on_change_();
    children_.stop(needs_link);
    for (Kind kind : kServingOthers) children_.stop_relieved(kind);
  }
  if (phase_ == Phase::stopping_qmgr && children_.all_gone(needs_link)) {
    phase_ = Phase::stopping_link;
    children_.stop(is_any);
  }
  if (phase_ == Phase::stopping_link && children_.all_gone(is_any)) {
    phase_ = Phase::ended;
    kill_timer_.stop();
    certificate_timer_.stop();
    write_troubles(setup_.loaded.config, {});
    log::Line(log::Level::info, "stopped").kv("exit", exit_code_);
    on_end_();
  }
}

Status Supervisor::bind_new(const config::Config& config) {
  return setup_.listeners.bind(config.listeners);
}

void Supervisor::forget_new() {
  setup_.listeners.keep_only(setup_.loaded.config.listeners);
}

void Supervisor::replace(config::Loaded loaded) {
  const config::Config before = std::exchange(setup_.loaded, std::move(loaded)).config;
  certificates_.follow(setup_.loaded);
  leave_client_facts();
  replace_database_link(before);
  const config::Workers& workers = setup_.loaded.config.workers;
  auto old = children_.take_out([](Kind kind) {
    return kind != Kind::qmgr && kind != Kind::metrics && kind != Kind::db_link;
  });
  // The new ones first: connections that wait in the backlog find somebody all the time.
  add(Kind::smtp_client, workers.smtp_client);
  add(Kind::lmtp_client, workers.lmtp_client);
  add(Kind::smtpd, workers.smtpd);
  add_filter();
  add_signer();
  add_tokens();
  add_pickup();
  add_reporter();
  children_.let_go(std::move(old), setup_.loaded.config);
  // It binds its port itself, so the old one goes first, and only when something is new for it.
  if (metrics_at_ != setup_.loaded.config.metrics_address) {
    children_.let_go(children_.take_out([](Kind kind) { return kind == Kind::metrics; }),
                     setup_.loaded.config);
    add_metrics();
  }
  setup_.listeners.keep_only(setup_.loaded.config.listeners);
  on_change_();
}

void Supervisor::look_at_certificates() {
  if (phase_ != Phase::running) return;
  warn_of_ends(wall_now());
  auto changed = certificates_.changed(setup_.loaded);
  if (certificates_.trouble() != logged_trouble_) {
    logged_trouble_ = certificates_.trouble();
    if (!logged_trouble_.empty())
      log::Line(log::Level::warning, "certificate_not_usable").kv("error", logged_trouble_);
    on_change_();
  }
  if (!changed) return;
  if (auto context = daemon::open_server_tls(changed->config, changed->bundle); !context) {
    log::Line(log::Level::warning, "certificate_not_usable").kv("error", context.error().text);
    return;
  }
  log::Line(log::Level::info, "certificate_changed").kv("listeners", listener_names());
  setup_.loaded = std::move(*changed);
  auto old = children_.take_out([](Kind kind) { return kind == Kind::smtpd; });
  add(Kind::smtpd, setup_.loaded.config.workers.smtpd);
  children_.let_go(std::move(old), setup_.loaded.config);
  on_change_();
}

bool Supervisor::refresh_troubles() {
  bool changed = troubles_.remove_ended(children_.present());
  if (changed) write_troubles(setup_.loaded.config, troubles_.texts());
  return changed;
}

void Supervisor::leave_client_facts() {
  if (Status s = write_client_facts(setup_.loaded.config); !s)
    log::Line(log::Level::warning, "no_client_facts").kv("error", s.error().text);
}

// Once a day: who has to renew it may read no other page than the log.
void Supervisor::warn_of_ends(WallTime now) {
  if (now < warned_of_ends_ + kEndsLookedAt && now >= warned_of_ends_) return;
  warned_of_ends_ = now;
  for (const CertificateState& one : certificates())
    if (one.not_after <= now + kEndsSoon)
      log::Line(log::Level::warning, "certificate_ends")
          .kv("file", one.file)
          .kv("until", format_rfc3339(one.not_after));
}

void Supervisor::warn_of_no_name_server() const {
  if (setup_.loaded.config.dns.servers.empty() && name_servers_.servers().empty())
    log::Line(log::Level::warning, "no_name_servers").kv("file", dns::kResolvConf);
}

// Whoever asks the DNS has read the old ones when it started.
void Supervisor::look_at_name_servers() {
  if (phase_ != Phase::running || !name_servers_.changed()) return;
  const config::Config& config = setup_.loaded.config;
  if (!config.dns.servers.empty()) return;
  log::Line(log::Level::info, "name_servers_changed")
      .kv("servers", fmt::format("{}", fmt::join(name_servers_.servers(), " ")));
  warn_of_no_name_server();
  auto old = children_.take_out([](Kind kind) {
    return kind == Kind::smtp_client || kind == Kind::lmtp_client || kind == Kind::smtpd ||
           kind == Kind::reporter || kind == Kind::filter || kind == Kind::db_link;
  });
  add_database_link();
  add(Kind::smtp_client, config.workers.smtp_client);
  add(Kind::lmtp_client, config.workers.lmtp_client);
  add(Kind::smtpd, config.workers.smtpd);
  add_filter();
  add_reporter();
  children_.let_go(std::move(old), setup_.loaded.config);
  on_change_();
}

std::vector<ProcessInfo> Supervisor::processes() const {
  std::vector<ProcessInfo> out = children_.processes();
  out.insert(out.begin(), {"supervisor", ::getpid()});
  return out;
}

}  // namespace postwain::tool
