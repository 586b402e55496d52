#include "qmgr/control/cluster/remote_actions.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace postwain::qmgr {

namespace {

constexpr const char* kNobodyHasIt =
    "it is between two nodes at this moment; give the command again in a while";

void add(ActionResult& to, const ActionResult& more) {
  to.acted.matched += more.acted.matched;
  to.acted.changed += more.acted.changed;
  to.acted.recipients += more.acted.recipients;
  to.acted.recipients_changed += more.acted.recipients_changed;
  for (const auto& [why, recipients] : more.hindered) to.hindered[why] += recipients;
}

}  // namespace

struct RemoteActions::Task {
  std::string command;
  std::string who;
  Done done;
  MonoTime until{};
  Messages left;            // not done yet
  std::size_t flights = 0;  // under way
  ActionResult result;
};

struct RemoteActions::Flight {
  TaskPtr task;
  std::uint8_t node = 0;
  std::vector<mail::QueueId> ids;
};

RemoteActions::RemoteActions(net::Loop& loop, ClusterPort& cluster, Requests& requests, Here here)
    : cluster_(cluster), requests_(requests), here_(std::move(here)), looks_(loop) {}

RemoteActions::TaskPtr RemoteActions::begin(const std::string& command, const std::string& who,
                                            Done done) {
  auto task = std::make_shared<Task>();
  task->command = command;
  task->who = who;
  task->done = std::move(done);
  task->until = mono_now() + kOrderPatience;
  tasks_.push_back(task);
  if (!looks_.active()) looks_.repeat(kOrderLook, [this] { look(); });
  return task;
}

void RemoteActions::act(const std::string& command, const std::string& who, Messages messages,
                        Done done) {
  TaskPtr task = begin(command, who, std::move(done));
  task->left = std::move(messages);
  send_all(task);
}

void RemoteActions::act_on_active(const std::string& command, const std::string& who, Done done) {
  TaskPtr task = begin(command, who, std::move(done));
  const ClusterView view = cluster_.view();
  ++task->flights;  // none of them ends it before all are sent
  for (const NodeView& node : view.nodes)
    if (!node.self && cluster_.is_live(static_cast<std::uint8_t>(node.number)))
      send(task, static_cast<std::uint8_t>(node.number), {});
  --task->flights;
  go_on(task);
}

// --- one round ------------------------------------------------------------------------------

void RemoteActions::send_all(const TaskPtr& task) {
  std::map<std::uint8_t, std::vector<mail::QueueId>> by_owner;
  for (const auto& [id, recipients] : task->left)
    if (std::optional<std::uint8_t> owner = cluster_.owner_of(id)) by_owner[*owner].push_back(id);
  ++task->flights;
  for (auto& [node, ids] : by_owner) send(task, node, std::move(ids));
  --task->flights;
  go_on(task);
}

void RemoteActions::send(const TaskPtr& task, std::uint8_t node, std::vector<mail::QueueId> ids) {
  ++task->flights;
  ActionOrder order{task->command, task->who, ids};
  auto flight = std::make_shared<Flight>(Flight{task, node, std::move(ids)});
  if (node == cluster_.self())
    return here_(std::move(order), [this, flight](ActionResult result) {
      --flight->task->flights;
      take(*flight->task, flight->ids, std::move(result));
      go_on(flight->task);
    });
  flights_.push_back(flight);
  requests_.ask(node, Requests::Kind::action, json_order(order), kOrderWithin,
                [this, flight](Result<std::string> answer) { landed(flight, std::move(answer)); });
}

void RemoteActions::landed(const FlightPtr& flight, Result<std::string> answer) {
  auto found = std::find(flights_.begin(), flights_.end(), flight);
  if (found == flights_.end()) return;  // given up meanwhile
  if (!answer) return lost(flight, answer.error());
  Result<ActionResult> result = parse_result(*answer);
  if (!result) return lost(flight, result.error());
  flights_.erase(found);
  --flight->task->flights;
  take(*flight->task, flight->ids, result.take());
  go_on(flight->task);
}

// Where the node is gone, whoever has its messages now is asked in the next round.
void RemoteActions::lost(const FlightPtr& flight, const Error& error) {
  flights_.remove(flight);
  Task& task = *flight->task;
  --task.flights;
  if (cluster_.is_live(flight->node)) {
    if (flight->ids.empty()) ++task.result.hindered[error.text];
    give_up(task, flight->ids, error.text);
  }
  go_on(flight->task);
}

// --- what came of it --------------------------------------------------------------------------

// Whatever the node has not named as another one's is done, or has gone.
void RemoteActions::take(Task& task, const std::vector<mail::QueueId>& ids, ActionResult result) {
  add(task.result, result);
  std::vector<mail::QueueId>& elsewhere = result.elsewhere;
  std::sort(elsewhere.begin(), elsewhere.end());
  for (mail::QueueId id : ids)
    if (!std::binary_search(elsewhere.begin(), elsewhere.end(), id)) task.left.erase(id);
}

void RemoteActions::give_up(Task& task, const std::vector<mail::QueueId>& ids,
                            const std::string& why) {
  for (mail::QueueId id : ids) {
    auto found = task.left.find(id);
    if (found == task.left.end()) continue;
    task.result.hindered[why] += found->second;
    task.left.erase(found);
  }
}

// The next round begins with the next look.
void RemoteActions::go_on(const TaskPtr& task) {
  if (task->flights > 0 || !task->done) return;
  if (!task->left.empty() && mono_now() < task->until) return;
  std::vector<mail::QueueId> rest;
  for (const auto& [id, recipients] : task->left) rest.push_back(id);
  give_up(*task, rest, kNobodyHasIt);
  tasks_.remove(task);
  std::exchange(task->done, nullptr)(std::move(task->result));
}

void RemoteActions::look() {
  for (const FlightPtr& flight : std::list<FlightPtr>(flights_))
    if (!cluster_.is_live(flight->node)) lost(flight, {});
  for (const TaskPtr& task : std::list<TaskPtr>(tasks_))
    if (task->flights == 0 && task->done) send_all(task);
  if (tasks_.empty()) looks_.stop();
}

}  // namespace postwain::qmgr
