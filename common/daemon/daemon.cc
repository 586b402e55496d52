#include "common/daemon/daemon.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/daemon/confinement.h"
#include "common/daemon/log_setup.h"
#include "common/log/log.h"

namespace postwain::daemon {

namespace {

[[noreturn]] void usage(const std::string& program, std::string_view problem) {
  std::fprintf(stderr,
               "%s: %.*s\nThis program is started by `postwain run`. By hand: %s --config FILE\n",
               program.c_str(), static_cast<int>(problem.size()), problem.data(), program.c_str());
  std::exit(kExitUsage);
}

[[noreturn]] void refuse(const std::string& program, const std::string& problem) {
  std::fprintf(stderr, "%s: %s\n", program.c_str(), problem.c_str());
  std::exit(kExitConfig);
}

struct Arguments {
  std::string name;
  std::string config_file;
  int bundle_fd = -1;
  int ready_fd = -1;
  std::vector<int> listener_fds;
  std::string attempt;
};

Arguments parse_arguments(const std::string& program, int argc, char** argv) {
  Arguments arguments;
  arguments.name = program;
  for (int i = 1; i < argc; i += 2) {
    std::string_view option = argv[i];
    if (i + 1 >= argc) usage(program, std::string(option) + " needs a value");
    std::string_view value = argv[i + 1];
    auto number = [&] {
      std::optional<int> fd = parse_decimal<int>(value);
      if (!fd) usage(program, std::string(option) + " needs a descriptor number");
      ::fcntl(*fd, F_SETFD, FD_CLOEXEC);
      return *fd;
    };
    if (option == "--name")
      arguments.name = value;
    else if (option == "--config")
      arguments.config_file = value;
    else if (option == "--bundle-fd")
      arguments.bundle_fd = number();
    else if (option == "--ready-fd")
      arguments.ready_fd = number();
    else if (option == "--attempt")
      arguments.attempt = value;
    else if (option == "--listener-fd")
      arguments.listener_fds.push_back(number());
    else
      usage(program, "unknown option " + std::string(option));
  }
  if (arguments.bundle_fd < 0 && arguments.config_file.empty())
    usage(program, "a configuration is missing");
  return arguments;
}

config::Loaded load_configuration(const std::string& program, const Arguments& arguments) {
  if (arguments.bundle_fd < 0) return config::load(arguments.config_file);
  UniqueFd fd(arguments.bundle_fd);
  ::lseek(fd.get(), 0, SEEK_SET);
  constexpr std::size_t kBundleMax = 64U << 20;
  Result<std::string> bytes = read_small_fd(fd.get(), kBundleMax);
  if (!bytes) refuse(program, "configuration bundle: " + bytes.error().text);
  Result<config::Bundle> bundle = config::decode_bundle(*bytes);
  if (!bundle) refuse(program, "configuration bundle: " + bundle.error().text);
  return config::parse(bundle.take());
}

// Of the self-test: confined as for work, this process tries one thing, and ends with what came of
// it.
[[noreturn]] void try_out(const std::string& program, const config::Config& config,
                          const std::string& attempt) {
  Confinement confinement(program, config);
  confinement.give_up_files();
  confinement.give_up_calls();
  ::_exit(sandbox::attempt(attempt, selftest_targets(config)));
}

}  // namespace

Start begin(const std::string& program, int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  Arguments arguments = parse_arguments(program, argc, argv);
  Start start;
  start.name = arguments.name;
  start.listener_fds = arguments.listener_fds;
  start.ready_fd = arguments.ready_fd;
  start.loaded = load_configuration(program, arguments);
  if (!start.loaded.diagnostics.empty()) refuse(program, start.loaded.diagnostics.front().text());
  setup_log(start.name, start.config().log);
  if (!arguments.attempt.empty()) {
    log::setup(start.name, {.level = log::Level::error});
    try_out(program, start.config(), arguments.attempt);
  }
  return start;
}

void announce_ready(Start& start) {
  if (start.ready_fd < 0) return;
  UniqueFd fd(start.ready_fd);
  start.ready_fd = -1;
  if (!write_all(fd.get(), "1")) log::Line(log::Level::warning, "supervisor_gone");
}

// Lines of the loop thread leave after kLogDelay; one of another thread wakes the loop for it.
struct Signals::Parts {
  Parts(net::Loop& loop, std::function<void()> drain)
      : loop_thread(std::this_thread::get_id()),
        flush_timer(loop),
        flusher(loop, [] { log::flush(); }),
        on_drain(std::move(drain)),
        term(loop, SIGTERM, [this] { asked(); }),
        interrupt(loop, SIGINT, [this] { asked(); }) {}

  void flush_soon() {
    constexpr Duration kLogDelay = std::chrono::milliseconds(50);
    if (std::this_thread::get_id() != loop_thread)
      flusher.notify();
    else if (!flush_timer.active())
      flush_timer.start(kLogDelay, [] { log::flush(); });
  }

  void asked() {
    if (draining) {
      { log::Line line(log::Level::warning, "stopped_at_once"); }
      log::flush();
      std::_Exit(kExitOk);
    }
    draining = true;
    on_drain();
  }

  std::thread::id loop_thread;
  net::Timer flush_timer;
  net::Wakeup flusher;
  std::function<void()> on_drain;
  net::Signal term;
  net::Signal interrupt;
  std::optional<net::Signal> hangup;
  bool draining = false;
};

Signals::Signals(net::Loop& loop, std::function<void()> drain, std::function<void()> retire)
    : parts_(std::make_unique<Parts>(loop, std::move(drain))) {
  if (retire) parts_->hangup.emplace(loop, SIGHUP, std::move(retire));
  log::set_flush_request([](void* context) { static_cast<Parts*>(context)->flush_soon(); },
                         parts_.get());
}

Signals::~Signals() {
  log::set_flush_request(nullptr, nullptr);
  log::flush();
}

}  // namespace postwain::daemon
