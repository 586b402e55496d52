// What an operator wants with messages that are other nodes': each order goes to the nodes that
// have them, which act as for operators of their own. A message whose owner changes meanwhile is
// asked for again at the one who has it then, until it is done or a while has passed.
//
// Nothing is done wrongly by asking twice: an action says what is to be with a message, and a
// message that is so already, or has gone, stays as it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/net/loop.h"

#include "qmgr/control/json/action_json.h"
#include "qmgr/nodes/cluster_port.h"
#include "qmgr/nodes/requests.h"

namespace postwain::qmgr {

constexpr Duration kOrderWithin = std::chrono::seconds(30);
// A message without an owner is looked for again this often, which covers the death of a node.
constexpr Duration kOrderLook = std::chrono::milliseconds(500);
constexpr Duration kOrderPatience = std::chrono::seconds(15);

class RemoteActions {
 public:
  // Obeys an order for messages that are this node's by now. The result is told once, later.
  using Done = std::function<void(ActionResult)>;
  using Here = std::function<void(ActionOrder, Done)>;
  RemoteActions(net::Loop& loop, ClusterPort& cluster, Requests& requests, Here here);

  // How many recipients are meant of each, for what cannot be told about them.
  using Messages = std::map<mail::QueueId, std::size_t>;
  // command, who: as in ActionOrder. messages: kOrderMessages at most. Nothing of the result is
  // elsewhere: whatever was not done has its reason. Told once, on the loop, perhaps before the
  // call returns.
  void act(const std::string& command, const std::string& who, Messages messages, Done done);
  // On the messages of all other nodes whose attempts run.
  void act_on_active(const std::string& command, const std::string& who, Done done);

 private:
  struct Task;
  using TaskPtr = std::shared_ptr<Task>;
  struct Flight;  // one order, at one node
  using FlightPtr = std::shared_ptr<Flight>;

  TaskPtr begin(const std::string& command, const std::string& who, Done done);
  void send_all(const TaskPtr& task);
  void send(const TaskPtr& task, std::uint8_t node, std::vector<mail::QueueId> ids);
  void landed(const FlightPtr& flight, Result<std::string> answer);
  void lost(const FlightPtr& flight, const Error& error);
  void take(Task& task, const std::vector<mail::QueueId>& ids, ActionResult result);
  void give_up(Task& task, const std::vector<mail::QueueId>& ids, const std::string& why);
  void go_on(const TaskPtr& task);
  void look();

  ClusterPort& cluster_;
  Requests& requests_;
  Here here_;
  std::list<TaskPtr> tasks_;
  std::list<FlightPtr> flights_;
  net::Timer looks_;
};

}  // namespace postwain::qmgr
