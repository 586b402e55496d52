#include "common/daemon/daemon.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/standard_streams.h"
#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/daemon/confinement.h"
#include "common/daemon/log_setup.h"
#include "common/log/descriptor.h"
#include "common/log/log.h"
#include "common/sandbox/refusals.h"

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
  int log_fd = -1;
  std::vector<int> listener_fds;
  std::optional<std::size_t> attempt_from;
  std::string abstract_socket;
  std::string exercise;
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
    else if (option == "--log-fd")
      arguments.log_fd = number();
    else if (option == "--attempt-from")
      arguments.attempt_from = parse_decimal<std::size_t>(value);
    else if (option == "--abstract-socket")
      arguments.abstract_socket = value;
    else if (option == "--exercise")
      arguments.exercise = value;
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

// Of the self-test: confined as for work, this process tries one thing after another, and tells
// what came of it.
[[noreturn]] void try_out(const std::string& program, const config::Config& config,
                          const Arguments& arguments) {
  Confinement confinement(program, config);
  confinement.give_up_files();
  confinement.give_up_calls();
  sandbox::Targets targets = selftest_targets(config);
  targets.abstract_socket = arguments.abstract_socket;
  sandbox::attempt_from(*arguments.attempt_from, targets, arguments.ready_fd);
  ::_exit(kExitOk);
}

// The same with what its libraries need. A call that is on no list is to be named here, not to end
// the process, whatever the mode.
[[noreturn]] void exercise(const std::string& program, config::Config config,
                           const Exercises& exercises, const std::string& name, int report) {
  if (name == kListExercises) {
    for (const Exercise& exercise : exercises)
      (void)write_all(report, fmt::format("{}\t{}\n", exercise.name, exercise.what));
    ::_exit(kExitOk);
  }
  auto one = std::find_if(exercises.begin(), exercises.end(),
                          [&name](const Exercise& exercise) { return exercise.name == name; });
  if (one == exercises.end()) ::_exit(kExitNoInput);
  config.sandbox = config::Sandbox::on;
  constexpr unsigned kSecondsAtMost = 30;
  ::alarm(kSecondsAtMost);
  std::function<Status()> work = one->prepare(config);
  Confinement confinement(program, config);
  confinement.give_up_files();
  confinement.give_up_calls();
  Status done = work();
  if (!done) std::fprintf(stderr, "%s\n", done.error().text.c_str());
  ::_exit(done ? kExitOk : kExitFailure);
}

// Where seccomp is missing the confinement says so later, and ends a strict process.
void prepare_sandbox(const config::Config& config) {
  if (config.sandbox == config::Sandbox::off) return;
  (void)sandbox::refuse_rings();
  (void)sandbox::report_refusals();
}

}  // namespace

Start begin(const std::string& program, int argc, char** argv, const Exercises& exercises) {
  fill_standard_streams();
  ::signal(SIGPIPE, SIG_IGN);
  Arguments arguments = parse_arguments(program, argc, argv);
  Start start;
  start.name = arguments.name;
  start.listener_fds = arguments.listener_fds;
  start.ready_fd = arguments.ready_fd;
  start.loaded = load_configuration(program, arguments);
  if (!start.loaded.diagnostics.empty()) refuse(program, start.loaded.diagnostics.front().text());
  if (arguments.log_fd >= 0) log::use_descriptor(arguments.log_fd);
  setup_log(start.name, start.config().log);
  prepare_sandbox(start.config());
  bool examined = arguments.attempt_from || !arguments.exercise.empty();
  if (examined) log::setup(start.name, {.level = log::Level::error});
  if (arguments.attempt_from) try_out(program, start.config(), arguments);
  if (examined)
    exercise(program, start.config(), exercises, arguments.exercise, arguments.ready_fd);
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
