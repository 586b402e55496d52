#include "postwain/supervisor/run.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <thread>

#include <sys/resource.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/daemon/daemon.h"
#include "common/daemon/log_setup.h"
#include "common/log/log.h"
#include "postwain/checking/checked_config.h"
#include "postwain/client/client_options.h"
#include "postwain/client/running.h"
#include "postwain/process/login_secret.h"
#include "postwain/process/programs.h"
#include "postwain/process/version.h"
#include "postwain/supervisor/database_sockets.h"
#include "postwain/supervisor/folders.h"
#include "postwain/supervisor/service_manager.h"
#include "postwain/supervisor/supervisor.h"
#include "postwain/supervisor/supervisor_link.h"

namespace postwain::tool {

namespace {

constexpr auto kBindTimeout = std::chrono::seconds(2);
constexpr auto kBindAgain = std::chrono::milliseconds(50);

// Where all of us was killed just now, a process that was starting may hold the addresses for
// another moment.
Status bind_patiently(ListenerSet& listeners, const std::vector<config::Listener>& wanted) {
  MonoTime until = mono_now() + kBindTimeout;
  for (;;) {
    Status bound = listeners.bind(wanted);
    if (bound || bound.error().code != EADDRINUSE || mono_now() >= until) return bound;
    std::this_thread::sleep_for(kBindAgain);
  }
}

// A bad configuration starts nothing; all that is wrong with it is said at once.
bool print_diagnostics(const config::Loaded& loaded) {
  for (const config::Diagnostic& diagnostic : loaded.diagnostics)
    fmt::print(stderr, "{}\n", diagnostic.text());
  return !loaded.diagnostics.empty();
}

// Every session and delivery takes a descriptor; the children inherit the limit.
rlim_t wanted_descriptors(const config::Config& config) {
  return 2 * rlim_t{config.limits.connections} + 4096;
}

void raise_descriptor_limit(const config::Config& config) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  rlim_t wanted = wanted_descriptors(config);
  if (::geteuid() == 0 && limit.rlim_max != RLIM_INFINITY && limit.rlim_max < wanted)
    limit.rlim_max = wanted;
  limit.rlim_cur = limit.rlim_max;
  // Some containers forbid raising the hard limit even to root; then the soft one is what we get.
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

// What the limit has become; a warning where accepting would have to pause before the limits of the
// configuration are reached.
void log_descriptor_limit(const config::Config& config) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  bool enough = limit.rlim_cur >= wanted_descriptors(config);
  log::Line line(enough ? log::Level::info : log::Level::warning, "descriptors");
  line.kv("limit", std::uint64_t{limit.rlim_cur});
  if (!enough) line.kv("wanted", std::uint64_t{wanted_descriptors(config)});
}

void log_start(const config::Loaded& loaded, const Identities& identities,
               const std::string& config_file) {
  log::Line(log::Level::info, "starting").kv("version", kVersion).kv("config", config_file);
  for (const config::Diagnostic& warning : loaded.warnings)
    log::Line(log::Level::warning, "config").kv("message", warning.text());
  for (const std::string& warning : identities.warnings)
    log::Line(log::Level::warning, "users").kv("message", warning);
}

int supervise(Supervisor::Setup setup, const std::string& config_file) {
  net::Loop loop;
  int exit_code = kExitOk;
  {
    std::unique_ptr<SupervisorLink> link;
    Supervisor* own = nullptr;
    Supervisor supervisor(
        loop, std::move(setup),
        [&link, &own] {
          // qmgr is about to end in good order: its going is no news.
          if (link && own->workers_gone())
            link->close();
          else if (link)
            link->send_processes();
        },
        [&loop] { loop.stop(); });
    own = &supervisor;
    daemon::Signals signals(loop, [&supervisor] { supervisor.drain(); });
    net::Signal child_signal(loop, SIGCHLD, [&supervisor] { supervisor.reap(); });
    link = std::make_unique<SupervisorLink>(loop, supervisor, config_file);
    net::Signal reload_signal(loop, SIGHUP, [&link] { link->reload_by_signal(); });
    supervisor.start();
    loop.run();
    link.reset();
    exit_code = supervisor.exit_code();
  }
  log::flush();
  return exit_code;
}

}  // namespace

int run_command(const std::string& config_file) {
  ::signal(SIGPIPE, SIG_IGN);
  config::Loaded loaded = load_checked(config_file);
  if (print_diagnostics(loaded)) return kExitConfig;
  const config::Config& config = loaded.config;
  log::make_standard_error_patient();
  daemon::setup_log("supervisor", config.log);

  auto programs = find_programs();
  if (!programs) return fail(kExitUnavailable, programs.error().text);
  auto identities = resolve_identities(config.users, ::geteuid());
  if (!identities) return fail(kExitConfig, identities.error().text);
  if (Status done = prepare_folders(config, *identities); !done)
    return fail(kExitCantCreate, done.error().text);
  auto lock = lock_runtime_dir(config.runtime_dir);
  if (!lock) return fail(kExitTempFail, lock.error().text);
  if (Status marked = mark_running(lock->get()); !marked)
    return fail(kExitTempFail, marked.error().text);
  raise_descriptor_limit(config);
  ListenerSet listeners;
  auto passed = take_passed_sockets();
  if (!passed) return fail(kExitConfig, passed.error().text);
  if (Status adopted = listeners.adopt(passed.take(), config.listeners); !adopted)
    return fail(kExitConfig, adopted.error().text);
  if (Status bound = bind_patiently(listeners, config.listeners); !bound)
    return fail(kExitUnavailable, bound.error().text);

  auto database_sockets = bind_database_sockets(config, *identities);
  if (!database_sockets) return fail(kExitCantCreate, database_sockets.error().text);

  std::string login_secret;
  if (auto kept = kept_login_secret(config.spool_dir))
    login_secret = kept.take();
  else
    log::Line(log::Level::warning, "no_login_secret").kv("error", kept.error().text);
  if (Status done = keep_to_its_work(config, *identities); !done)
    return fail(kExitOsError, done.error().text);

  log_start(loaded, *identities, config_file);
  log_descriptor_limit(config);
  return supervise(
      Supervisor::Setup{std::move(loaded), identities.take(), std::move(listeners), programs.take(),
                        database_sockets.take(), std::move(login_secret)},
      config_file);
}

}  // namespace postwain::tool
