#include "postwain/supervisor/child.h"

#include <cerrno>
#include <csignal>

#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/log/log.h"
#include "postwain/process/child_environment.h"

namespace postwain::tool {

Child::Child(net::Loop& loop, Kind kind, std::string name, MakeLaunchSpec make_launch_spec,
             Callbacks callbacks)
    : loop_(loop),
      kind_(kind),
      name_(std::move(name)),
      make_launch_spec_(std::move(make_launch_spec)),
      callbacks_(std::move(callbacks)),
      error_output_(loop, name_),
      restart_(loop) {}

void Child::start() {
  LaunchSpec launch_spec = make_launch_spec_(kind_);
  auto fail = [this](const Error& error) { callbacks_.on_impossible(error); };
  auto bundle = sealed_bundle(launch_spec.bundle);
  if (!bundle) return fail(bundle.error());
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return fail(system_error("socketpair", errno));
  UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  auto printed = error_output_.open();
  if (!printed) return fail(printed.error());

  // Log lines go to our own standard error directly; what else it prints there comes to us.
  Program program{launch_spec.path,
                  {std::string(name_of(kind_)), "--name", name_, "--bundle-fd", "3", "--ready-fd",
                   "4", "--log-fd", "5"},
                  {bundle->get(), theirs.get(), STDERR_FILENO},
                  launch_spec.identity,
                  environment_for(kind_, environ),
                  printed->get()};
  for (int fd : launch_spec.listeners) {
    program.arguments.push_back("--listener-fd");
    program.arguments.push_back(fmt::format("{}", 3 + program.descriptors.size()));
    program.descriptors.push_back(fd);
  }
  auto pid = spawn(program);
  if (!pid) return fail(pid.error());
  pid_ = *pid;
  started_ = mono_now();
  ready_ = false;
  log::Line(log::Level::debug, "child_started").kv("process", name_).kv("child", pid_);
  watch_ready(ours.release());
  callbacks_.on_started(*this);
}

void Child::watch_ready(int fd) {
  auto stream = net::Stream::adopt(loop_, fd);
  if (!stream) return callbacks_.on_impossible(stream.error());
  ready_stream_ = stream.take();
  ready_stream_.start(net::Stream::Callbacks{
      .on_data =
          [this](std::string_view) {
            ready_stream_.reset();
            ready_ = true;
            failed_starts_.ready();
            callbacks_.on_ready(*this);
          },
      .on_end = [this] { ready_stream_.reset(); },
      .on_error = [this](const Error&) { ready_stream_.reset(); },
      .on_drained = {},
  });
}

void Child::retire() {
  stopping_ = true;
  retiring_ = true;
  restart_.stop();
  if (pid_ > 0) ::kill(pid_, SIGHUP);
}

void Child::stop() {
  stopping_ = true;
  retiring_ = false;
  relieved_ = false;
  restart_.stop();
  if (pid_ > 0) ::kill(pid_, SIGTERM);
}

void Child::relieve() {
  stopping_ = true;
  relieved_ = true;
  restart_.stop();
}

void Child::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

Duration Child::lived() const {
  return mono_now() - started_;
}

Child::Death Child::died() {
  Duration wait = backoff_.after_run(lived());
  error_output_.close();
  Death death{wait, failed_starts_.died(ready_ || stopping_), false};
  if (!stopping_) death.keeps_ending = relapses_.died(mono_now()) && !death.never_ready;
  pid_ = 0;
  ready_ = false;
  ready_stream_.reset();
  if (!stopping_) restart_.start(wait, [this] { start(); });
  return death;
}

}  // namespace postwain::tool
