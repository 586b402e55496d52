#include "postwain/checking/examination.h"

#include <cerrno>
#include <cstddef>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/daemon/confinement.h"
#include "common/daemon/exercise.h"
#include "postwain/process/child_environment.h"
#include "postwain/process/end_of_process.h"
#include "postwain/process/role_bundle.h"
#include "postwain/process/spawn.h"

namespace postwain::tool {

namespace {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

// Neither end waits: a process under test must not, and it is read when it has ended.
::postwain::Result<Pipe> open_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return system_error("pipe", errno);
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::string all_of(int fd) {
  std::string out;
  char bytes[4096];
  for (;;) {
    ssize_t got = ::read(fd, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return out;
    out.append(bytes, static_cast<std::size_t>(got));
  }
}

::postwain::Result<UniqueFd> listen_at_abstract(const std::string& name) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::size_t size = name.copy(at.sun_path + 1, sizeof at.sun_path - 1);
  auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + size);
  if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&at), length) != 0 ||
      ::listen(fd.get(), SOMAXCONN) != 0)
    return system_error("an abstract socket", errno);
  return fd;
}

}  // namespace

::postwain::Result<Examination> Examination::begin(const config::Loaded& loaded,
                                                   const Identities& identities,
                                                   std::string programs) {
  Examination out(loaded, identities, std::move(programs));
  out.abstract_name_ = fmt::format("postwain-selftest-{}", ::getpid());
  auto socket = listen_at_abstract(out.abstract_name_);
  if (!socket) return socket.error();
  out.abstract_socket_ = socket.take();
  return out;
}

::postwain::Result<Examination::Ended> Examination::run(Kind kind,
                                                        std::vector<std::string> arguments) const {
  auto bundle = sealed_bundle(bundle_for(kind, *loaded_));
  if (!bundle) return bundle.error();
  auto report = open_pipe();
  if (!report) return report.error();
  auto printed = open_pipe();
  if (!printed) return printed.error();
  std::string name(name_of(kind));
  std::vector<std::string> words{name, "--bundle-fd", "3", "--ready-fd", "4"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::optional<Identity> who;
  if (identities_->change) who = identities_->at(kind);
  auto pid = spawn(Program{programs_ + "/" + name,
                           words,
                           {bundle->get(), report->write.get()},
                           who,
                           environment_for(kind, environ),
                           printed->write.get()});
  if (!pid) return pid.error();
  Ended out;
  while (::waitpid(*pid, &out.status, 0) < 0)
    if (errno != EINTR) return system_error("waitpid", errno);
  out.report = all_of(report->read.get());
  out.printed.take(all_of(printed->read.get()), mono_now());
  out.printed.take_rest(mono_now());
  return out;
}

::postwain::Result<std::vector<Tried>> Examination::attempts(Kind kind) const {
  const std::vector<sandbox::Attempt>& all = sandbox::attempts();
  sandbox::Profile profile = daemon::profile_of(std::string(name_of(kind)));
  std::vector<Tried> out;
  auto add = [&](bool succeeded) {
    const sandbox::Attempt& one = all[out.size()];
    out.push_back({kind, &one, succeeded, one.is_allowed(profile, identities_->change)});
  };
  while (out.size() < all.size()) {
    auto ended = run(
        kind, {"--attempt-from", std::to_string(out.size()), "--abstract-socket", abstract_name_});
    if (!ended) return ended.error();
    for (char digit : ended->report)
      if (out.size() < all.size()) add(digit - '0' == sandbox::kAttemptSucceeded);
    if (out.size() == all.size()) break;
    // This one has no digit: the system ended the process for it, or it has become a program that
    // ends with its own word.
    bool became =
        WIFEXITED(ended->status) && WEXITSTATUS(ended->status) == sandbox::kAttemptSucceeded;
    if (!became && !WIFSIGNALED(ended->status))
      return Error{
          fmt::format("{}: its self-test ended with {}{}{}", name_of(kind),
                      how_it_ended(ended->status), ended->printed.last().empty() ? "" : ": ",
                      ended->printed.last().empty() ? "" : ended->printed.last().back()),
          0};
    add(became);
  }
  return out;
}

::postwain::Result<Needed> Examination::need(Kind kind, std::string_view name,
                                             std::string_view what) const {
  auto ended = run(kind, {"--exercise", std::string(name)});
  if (!ended) return ended.error();
  Needed out{kind, std::string(name), std::string(what), false, {}, {}, false};
  out.works = WIFEXITED(ended->status) && WEXITSTATUS(ended->status) == 0;
  out.strict = loaded_->config.sandbox == config::Sandbox::strict;
  out.refused = ended->printed.refused();
  if (out.works) return out;
  if (!ended->printed.last().empty())
    out.error = printable(ended->printed.last().back());
  else
    out.error = how_it_ended(ended->status);
  return out;
}

::postwain::Result<std::vector<Needed>> Examination::needs(Kind kind) const {
  auto list = run(kind, {"--exercise", std::string(daemon::kListExercises)});
  if (!list) return list.error();
  std::vector<Needed> out;
  for (std::string_view line : split(list->report, '\n')) {
    std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos) continue;
    auto one = need(kind, line.substr(0, tab), line.substr(tab + 1));
    if (!one) return one.error();
    out.push_back(one.take());
  }
  if (out.empty())
    return Error{
        fmt::format("{}: it knows no exercises; are all programs of one version?", name_of(kind)),
        0};
  return out;
}

}  // namespace postwain::tool
