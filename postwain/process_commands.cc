#include "postwain/process_commands.h"

#include <cstdio>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/base/time.h"
#include "postwain/control_client.h"
#include "postwain/present.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

// A little longer than the supervisor's own patience with its children.
constexpr Duration kStopAtMost = std::chrono::seconds(90);

struct Answer {
  int exit_code = 0;
  std::string text;
  Json json;
};

Result<Answer> ask_once(const ClientOptions& options, const char* command) {
  auto config = client_config(options.config_file);
  if (!config) return config.error();
  Answer answer;
  auto result = ask(config->qmgr_socket(), Json({{"command", command}}).dump(),
                    [&answer](const std::string& json) { answer.text = json; });
  if (!result) return result.error();
  answer.exit_code = *result;
  answer.json = Json::parse(answer.text, nullptr, false);
  if (!answer.json.is_object()) answer.json = Json::object();
  return answer;
}

void print_json(const std::string& text) {
  fmt::print("{}\n", text);
}

// A process that has ended and that its parent has not collected yet counts as gone.
bool alive(pid_t pid) {
  auto stat = read_small_file(fmt::format("/proc/{}/stat", pid));
  if (!stat) return false;
  std::size_t name_end = stat->rfind(')');
  if (name_end == std::string::npos || name_end + 2 >= stat->size()) return false;
  char state = (*stat)[name_end + 2];
  return state != 'Z' && state != 'X';
}

bool wait_until_gone(const std::vector<pid_t>& pids) {
  MonoTime give_up = mono_now() + kStopAtMost;
  for (pid_t pid : pids)
    while (alive(pid)) {
      if (mono_now() > give_up) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  return true;
}

}  // namespace

int status_command(const ClientOptions& options) {
  auto answer = ask_once(options, "status");
  if (!answer) return fail(answer.error().code, answer.error().text);
  if (answer->exit_code != kExitOk)
    return fail(answer->exit_code, answer->json.value("error", "qmgr refused the command"));
  if (options.json)
    print_json(answer->text);
  else
    fmt::print("{}", status_lines(answer->text));
  return kExitOk;
}

int reload_command(const ClientOptions& options) {
  auto answer = ask_once(options, "reload");
  if (!answer) return fail(answer.error().code, answer.error().text);
  if (options.json) print_json(answer->text);
  for (const auto& line : answer->json.value("diagnostics", Json::array()))
    fmt::print(stderr, "{}\n", line.get<std::string>());
  for (const auto& line : answer->json.value("warnings", Json::array()))
    fmt::print(stderr, "warning: {}\n", line.get<std::string>());
  if (answer->exit_code != kExitOk)
    return fail(answer->exit_code, answer->json.value("error", "the reload was refused"));
  if (!options.json) fmt::print("the new configuration is in use\n");
  return kExitOk;
}

int stop_command(const ClientOptions& options) {
  auto status = ask_once(options, "status");
  if (!status) return fail(status.error().code, status.error().text);
  std::vector<pid_t> pids;
  for (const auto& process : status->json.value("processes", Json::array()))
    pids.push_back(process.value("pid", pid_t{0}));
  auto answer = ask_once(options, "stop");
  if (!answer) return fail(answer.error().code, answer.error().text);
  if (answer->exit_code != kExitOk)
    return fail(answer->exit_code, answer->json.value("error", "the stop was refused"));
  std::erase(pids, 0);
  if (!wait_until_gone(pids))
    return fail(kExitTempFail, "postwain was asked to stop and still has processes");
  if (options.json)
    print_json(answer->text);
  else
    fmt::print("postwain has stopped\n");
  return kExitOk;
}

}  // namespace postwain::tool
