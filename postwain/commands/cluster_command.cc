#include "postwain/commands/cluster_command.h"

#include <cstdio>
#include <optional>
#include <string_view>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "postwain/client/cluster_text.h"
#include "postwain/client/control_client.h"
#include "postwain/client/json_member.h"
#include "postwain/client/operator_request.h"

namespace postwain::tool {

namespace {

using Command = ipc::OperatorCommand;

constexpr std::size_t kTypedMax = 256;

// qmgr's answer to a request of ours. An error carries a code of sysexits.h and a sentence.
Result<std::string> ask_cluster(const ClientOptions& options, const OperatorRequest& request) {
  auto config = client_config(options.config_file);
  if (!config) return config.error();
  std::string answer;
  auto code = ask(*config, request.text(), [&answer](const std::string& json) {
    if (!json.empty()) answer = json;
  });
  // What is not there at the moment cannot say it.
  const bool away =
      !code && (code.error().code == kExitTempFail || code.error().code == kExitUnavailable);
  if (away && !config->queue.store.address) return Error{kOneMachineQueue, kExitUsage};
  if (!code) return code.error();
  if (*code != kExitOk)
    return Error{error_member(parse_answer(answer), "qmgr refused the command"), *code};
  return answer;
}

// What has begun by the command, and how it goes on.
std::string done_words(Command command, const std::string& node) {
  const std::string name = printable(node);
  switch (command) {
    case Command::cluster_drain:
      return name +
             " gives its part of the queue to the others, and keeps out until it is to join "
             "again; 'postwain cluster status' shows when it has none";
    case Command::cluster_join:
      return name + " gets its part of the queue from the others";
    case Command::cluster_leave:
      return name + " is forgotten, and its number is free";
    case Command::cluster_fence:
      return name + " is fenced: the others take its part of the queue over";
    default:
      return {};
  }
}

std::string typed_line() {
  char line[kTypedMax] = {};
  if (std::fgets(line, sizeof line, stdin) == nullptr) return {};
  std::string_view typed = line;
  return std::string(trim(typed.substr(0, typed.find('\n'))));
}

// Why it is not done; nothing: it is confirmed.
std::optional<Error> confirm_fence(const ClusterOptions& cluster) {
  if (cluster.yes) return std::nullopt;
  if (::isatty(STDIN_FILENO) != 1)
    return Error{"fence ends a node's part at once: where nobody can be asked, confirm it by --yes",
                 kExitUsage};
  fmt::print(stderr,
             "Fencing {0} lets other nodes deliver its mail at once. If its machine still works, "
             "mail that it is\nsending at this moment may arrive twice. Is the machine dead? Type "
             "{0} to go on: ",
             printable(cluster.node));
  if (typed_line() == cluster.node) return std::nullopt;
  return Error{"not confirmed; nothing was done", kExitUsage};
}

}  // namespace

int cluster_status_command(const ClientOptions& options) {
  auto answer = ask_cluster(options, OperatorRequest(Command::cluster_status));
  if (!answer) return fail(answer.error().code, answer.error().text);
  if (options.json)
    print_json(*answer);
  else
    fmt::print("{}", cluster_lines(*answer));
  return kExitOk;
}

int cluster_node_command(const ClientOptions& options, ipc::OperatorCommand command,
                         const ClusterOptions& cluster) {
  if (command == Command::cluster_fence)
    if (std::optional<Error> refusal = confirm_fence(cluster))
      return fail(refusal->code, refusal->text);
  OperatorRequest request(command);
  request.with(ipc::CommandArgument::node, cluster.node);
  auto answer = ask_cluster(options, request);
  if (!answer) return fail(answer.error().code, answer.error().text);
  if (options.json)
    print_json(*answer);
  else
    fmt::print("{}\n", done_words(command, cluster.node));
  return kExitOk;
}

}  // namespace postwain::tool
