// `postwain queue …` and mailq: the question, and its answers for people or as JSON.
#pragma once

#include <string>
#include <vector>

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

// A sysexits code; what is wrong is printed. action: also export.
int check_filter(const std::string& action, const QueueFilter& filter);
// As JSON, for one of its ids (or none).
std::string filter_text(const QueueFilter& filter, const std::string& id);

// action: list, show, retry, cancel, hold, release, bounce, stats.
int queue_command(const ClientOptions& options, const std::string& action,
                  const QueueFilter& filter);

}  // namespace postwain::tool
