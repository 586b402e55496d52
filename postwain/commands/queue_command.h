// `postwain queue …` and mailq: the question, and its answers for people or as JSON.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "common/ipc/operator_commands.h"
#include "postwain/client/client_options.h"

namespace postwain::tool {

struct QueueFilter {
  bool all = false;
  bool dry_run = false;
  bool in_doubt = false;
  std::string state;
  std::string domain;
  std::string sender;
  std::string recipient;
  std::string older;
  std::string younger;
  std::string account;
  std::string client;
  std::string route;
  std::string traffic_class;
  std::string larger;
  std::string smaller;
  std::uint32_t attempts = 0;
  std::string reply;
  std::string reason;
  std::vector<std::string> ids;

  bool empty() const {
    return !all && !in_doubt && state.empty() && domain.empty() && sender.empty() &&
           recipient.empty() && older.empty() && younger.empty() && account.empty() &&
           client.empty() && route.empty() && traffic_class.empty() && larger.empty() &&
           smaller.empty() && attempts == 0 && reply.empty() && reason.empty() && ids.empty();
  }
  // Whether anything is left out.
  bool chooses() const {
    QueueFilter rest = *this;
    rest.all = false;
    return !rest.empty();
  }
};

// A sysexits code; what is wrong is printed. name: "queue export", for that. must_choose: an empty
// filter is wrong, since a word forgotten must not hit the whole queue.
int check_filter(std::string_view name, bool must_choose, const QueueFilter& filter);
// As a request has it, for one of its ids (or none).
nlohmann::ordered_json filter_json(const QueueFilter& filter, const std::string& id);

// command: one that takes a filter, but for `queue content` and `watch`.
int queue_command(const ClientOptions& options, ipc::OperatorCommand command,
                  const QueueFilter& filter);

}  // namespace postwain::tool
