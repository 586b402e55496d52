// What nodes that share a queue say to each other about the command of an operator: the order to
// act on certain messages, and what came of it. Read strictly: another node may have another
// version. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/mail/queue_id.h"

#include "qmgr/control/json/queue_json.h"

namespace postwain::qmgr {

constexpr std::size_t kOrderMessages = 1000;  // of one order
constexpr std::size_t kOrderReasons = 100;    // of one result

struct ActionOrder {
  std::string command;  // the operator's request (command_json.h)
  std::string who;      // he, for the history
  // Those that are meant, as far as the filter means them as well; none: those of the node with an
  // attempt that runs.
  std::vector<mail::QueueId> ids;
};

struct ActionResult {
  Acted acted;
  std::map<std::string, std::size_t> hindered;  // recipients, by why not
  std::vector<mail::QueueId> elsewhere;         // not this node's, or about to be another one's
};

std::string json_order(const ActionOrder& order);
Result<ActionOrder> parse_order(const std::string& json);
std::string json_result(const ActionResult& result);
Result<ActionResult> parse_result(const std::string& json);

}  // namespace postwain::qmgr
