#include "postwain/commands/process_commands.h"

#include <cstdio>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/base/time.h"
#include "postwain/client/control_client.h"
#include "postwain/client/json_member.h"
#include "postwain/client/operator_request.h"
#include "postwain/client/present.h"
#include "postwain/client/running.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

// A little longer than the supervisor itself waits for its children.
constexpr std::size_t kProcessesMax = 10'000;
constexpr Duration kStopAtMost = std::chrono::seconds(90);

struct Answer {
  int exit_code = 0;
  std::string text;
  Json json;
};

Result<Answer> ask_once(const ClientOptions& options, ipc::OperatorCommand command) {
  auto config = client_config(options.config_file);
  if (!config) return config.error();
  Answer answer;
  auto result = ask(*config, OperatorRequest(command).text(),
                    [&answer](const std::string& json) { answer.text = json; });
  if (!result) return result.error();
  answer.exit_code = *result;
  answer.json = parse_answer(answer.text);
  return answer;
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

// Mistakes and warnings go to standard error, the answer to standard output where it is to be told.
int reload(const ClientOptions& options, bool tell) {
  auto answer = ask_once(options, ipc::OperatorCommand::reload);
  if (!answer) return fail(answer.error().code, answer.error().text);
  if (tell && options.json) print_json(answer->text);
  for (const std::string& line : texts_member(answer->json, "diagnostics"))
    fmt::print(stderr, "{}\n", printable(line, kMemberShown));
  for (const std::string& line : texts_member(answer->json, "warnings"))
    fmt::print(stderr, "warning: {}\n", printable(line, kMemberShown));
  if (answer->exit_code != kExitOk)
    return fail(answer->exit_code, error_member(answer->json, "the reload was refused"));
  if (tell && !options.json) fmt::print("the new configuration is in use\n");
  return kExitOk;
}

}  // namespace

int status_command(const ClientOptions& options) {
  auto answer = ask_once(options, ipc::OperatorCommand::status);
  if (!answer) return fail(answer.error().code, answer.error().text);
  if (answer->exit_code != kExitOk)
    return fail(answer->exit_code, error_member(answer->json, "qmgr refused the command"));
  if (options.json)
    print_json(answer->text);
  else
    fmt::print("{}", status_lines(answer->text));
  return kExitOk;
}

int reload_command(const ClientOptions& options) {
  return reload(options, true);
}

int reload_quietly(const ClientOptions& options) {
  return reload(options, false);
}

namespace {

// qmgr passes it on to the supervisor. pids: whose end is to be waited for.
Result<Answer> stop_through_qmgr(const ClientOptions& options, std::vector<pid_t>& pids) {
  auto status = ask_once(options, ipc::OperatorCommand::status);
  if (!status) return status.error();
  for (const Json& process : list_member(status->json, "processes")) {
    std::int64_t pid = number_member(process, "pid");
    if (pid > 0 && pid <= INT32_MAX && pids.size() < kProcessesMax)
      pids.push_back(static_cast<pid_t>(pid));
  }
  auto answer = ask_once(options, ipc::OperatorCommand::stop);
  if (!answer) return answer.error();
  if (answer->exit_code != kExitOk)
    return Error{error_member(answer->json, "the stop was refused"), answer->exit_code};
  return answer;
}

}  // namespace

int stop_command(const ClientOptions& options) {
  auto config = client_config(options.config_file);
  if (!config) return fail(config.error().code, config.error().text);
  std::optional<SupervisorStop> supervisor = SupervisorStop::prepare(config->runtime_dir);
  std::vector<pid_t> pids;
  auto answer = stop_through_qmgr(options, pids);
  const bool refused = !answer && answer.error().code == kExitNoPermission;
  if (!answer && (!supervisor || refused)) return fail(answer.error().code, answer.error().text);
  // The way round qmgr: it does not start, ends again and again, or does not answer.
  if (!answer)
    if (Status sent = supervisor->send(); !sent)
      return fail(sent.error().code, answer.error().text + "; " + sent.error().text);
  if (answer ? !wait_until_gone(pids) : !supervisor->wait_until_gone(kStopAtMost))
    return fail(kExitTempFail, "postwain was asked to stop and still has processes");
  if (options.json)
    print_json(answer ? answer->text : R"({"ok":true})");
  else
    fmt::print("postwain has stopped\n");
  return kExitOk;
}

}  // namespace postwain::tool
