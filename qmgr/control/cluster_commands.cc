#include "qmgr/control/cluster_commands.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/log/log.h"

#include "qmgr/control/json/cluster_json.h"

namespace postwain::qmgr {

namespace {

constexpr const char* kOneMachine =
    "this queue belongs to one machine, and has no nodes: several machines share a queue in "
    "PostgreSQL ([queue] store)";

std::string names_of(const ClusterView& view) {
  std::string out;
  for (const NodeView& node : view.nodes) out += (out.empty() ? "" : ", ") + node.name;
  return out.empty() ? "there is none" : "there are " + out;
}

std::optional<Error> may_join(const NodeView& /*node*/, const ClusterView& /*view*/) {
  return std::nullopt;
}

// Whoever drains the last one waits for ever for its bags to go.
std::optional<Error> may_drain(const NodeView& node, const ClusterView& view) {
  bool others = std::any_of(view.nodes.begin(), view.nodes.end(), [&](const NodeView& one) {
    return one.name != node.name && one.state == "live" && one.stay;
  });
  if (others || node.state != "live") return std::nullopt;
  return Error{
      fmt::format("{} is the last node that works, and no other one could take its part of "
                  "the queue: start one, or let one join, first; or stop this one, and "
                  "its mail waits until a node is started",
                  node.name),
      kExitUsage};
}

std::optional<Error> may_leave(const NodeView& node, const ClusterView& /*view*/) {
  if (node.state != "gone")
    return Error{fmt::format("{} is {}: only a node that is gone is forgotten; drain it, and stop "
                             "it there",
                             node.name, node.state),
                 kExitUsage};
  if (node.bags > 0)
    return Error{fmt::format("{} has {} bags still, which other nodes take over; try again in some "
                             "seconds",
                             node.name, node.bags),
                 kExitTempFail};
  return std::nullopt;
}

std::optional<Error> may_be_fenced(const NodeView& node, const ClusterView& /*view*/) {
  if (node.self)
    return Error{node.name + " is the node that is asked, and it lives: to end it, stop it",
                 kExitUsage};
  if (node.state == "gone") return Error{node.name + " is gone already", kExitNoInput};
  return std::nullopt;
}

}  // namespace

void ClusterCommands::status(Asker asker) {
  if (cluster_ == nullptr) return peers_.refuse(asker, kOneMachine, kExitUsage);
  peers_.reply(asker, json_cluster(cluster_->view()));
}

const std::string* ClusterCommands::node_for(Asker asker, const Command& command,
                                             Objection objection) {
  auto refuse = [&](const Error& error) {
    peers_.refuse(asker, error);
    return nullptr;
  };
  if (cluster_ == nullptr) return refuse({kOneMachine, kExitUsage});
  if (command.node.empty()) return refuse({"say which node", kExitUsage});
  const ClusterView view = cluster_->view();
  auto found = std::find_if(view.nodes.begin(), view.nodes.end(),
                            [&](const NodeView& one) { return one.name == command.node; });
  if (found == view.nodes.end())
    return refuse(
        {fmt::format("there is no node '{}'; {}", printable(command.node, 80), names_of(view)),
         kExitNoInput});
  if (std::optional<Error> error = objection(*found, view)) return refuse(*error);
  log::Line(log::Level::info, "cluster_command")
      .kv("command", command.name)
      .kv("node", command.node)
      .kv("by", peers_.author(asker.peer));
  return &command.node;
}

ClusterPort::Done ClusterCommands::reply_to(Asker asker, const std::string& node) {
  return [this, asker, node](const std::string& error) {
    if (!error.empty()) return peers_.refuse(asker, error, kExitTempFail);
    peers_.reply(asker, json_node_done(node));
  };
}

void ClusterCommands::set_stay(Asker asker, const Command& command, bool stay) {
  if (const std::string* node = node_for(asker, command, stay ? may_join : may_drain))
    cluster_->set_stay(*node, stay, reply_to(asker, *node));
}

void ClusterCommands::leave(Asker asker, const Command& command) {
  if (const std::string* node = node_for(asker, command, may_leave))
    cluster_->leave(*node, reply_to(asker, *node));
}

void ClusterCommands::fence(Asker asker, const Command& command) {
  if (const std::string* node = node_for(asker, command, may_be_fenced))
    cluster_->fence(*node, reply_to(asker, *node));
}

}  // namespace postwain::qmgr
