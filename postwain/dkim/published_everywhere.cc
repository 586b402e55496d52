#include "postwain/dkim/published_everywhere.h"

#include <cerrno>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "postwain/dns_check/dns_desk.h"
#include "postwain/dns_check/dns_look.h"
#include "postwain/dns_check/key_findings.h"
#include "postwain/dns_check/without_root.h"

namespace postwain::tool {

using authentication::dkim::KeyFit;

namespace {

constexpr Duration kServerAskedAtMost = std::chrono::seconds(20);
constexpr std::size_t kLacksMax = 256U << 10;  // octets

void ask_server(const std::vector<std::string>& servers, const std::vector<OwnKey>& keys,
                std::vector<std::string>& lacks) {
  std::string who = servers.empty() ? "the DNS" : servers.front();
  auto desk = DnsDesk::open(servers, false, kServerAskedAtMost);
  if (!desk) {
    lacks.push_back(fmt::format("{}: {}", who, desk.error().text));
    return;
  }
  std::vector<KeyAnswer> asked;
  for (const OwnKey& key : keys) asked.push_back({key, {}});
  ask_for_keys(**desk, asked);
  (*desk)->run();
  for (const KeyAnswer& one : asked) {
    auto fitting = fitting_of_key(one.key, one.answer);
    if (fitting.fit != KeyFit::fits)
      lacks.push_back(
          fmt::format("{}: {}: {}", who, one.key.record_name(), printable(fitting.why)));
  }
}

std::vector<std::string> ask_servers(const std::vector<std::string>& servers,
                                     const std::vector<OwnKey>& keys) {
  std::vector<std::string> lacks;
  if (servers.empty()) ask_server({}, keys, lacks);
  for (const std::string& server : servers) ask_server({server}, keys, lacks);
  return lacks;
}

// Each sentence is a line; one that cannot ask says so. It ends with the command, so that the lock,
// which it has, too, does not outlive that.
[[noreturn]] void ask_in_child(int report, const config::Config& config,
                               const std::vector<OwnKey>& keys) {
  std::string lines;
  Status done = go_on_without_root(config);
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!done)
    lines = done.error().text + "\n";
  else
    for (const std::string& line : ask_servers(config.dns.servers, keys)) lines += line + "\n";
  ::_exit(write_all(report, lines) ? 0 : 1);
}

// Whatever is not the whole answer of a process that ended well counts as a record that is missing.
std::vector<std::string> answer_of_child(pid_t child, int report) {
  auto lines = read_small_fd(report, kLacksMax);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return {system_error("waitpid", errno).text};
  if (!lines || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return {"the process that asks the DNS has failed"};
  std::vector<std::string> out;
  for (std::string_view line : split(*lines, '\n'))
    if (!line.empty()) out.push_back(printable(line));
  return out;
}

}  // namespace

std::vector<std::string> not_published(const config::Config& config,
                                       const std::vector<OwnKey>& keys) {
  if (::geteuid() != 0) return ask_servers(config.dns.servers, keys);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {system_error("pipe", errno).text};
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  pid_t child = ::fork();
  if (child < 0) return {system_error("fork", errno).text};
  if (child == 0) ask_in_child(write_end.get(), config, keys);
  write_end.reset();
  return answer_of_child(child, read_end.get());
}

}  // namespace postwain::tool
