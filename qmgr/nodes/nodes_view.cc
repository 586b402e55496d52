// What operators see of the nodes, and what they want of them.
#include <utility>

#include <fmt/format.h>

#include "common/base/boot_time.h"

#include "qmgr/nodes/nodes.h"

namespace postwain::qmgr {

namespace {

const char* word_of(cluster::NodeState state) {
  switch (state) {
    case cluster::NodeState::live:
      return "live";
    case cluster::NodeState::draining:
      return "draining";
    case cluster::NodeState::gone:
      break;
  }
  return "gone";
}

}  // namespace

const NodeStatus* Nodes::status_of(cluster::NodeNumber node) const {
  for (const NodeStatus& one : last_.nodes)
    if (one.row.id == node) return &one;
  return nullptr;
}

const NodeStatus* Nodes::status_of(const std::string& name) const {
  for (const NodeStatus& one : last_.nodes)
    if (one.name == name) return &one;
  return nullptr;
}

std::string Nodes::name_of(cluster::NodeNumber node) const {
  const NodeStatus* status = status_of(node);
  return status != nullptr ? status->name : fmt::format("{}", node.value);
}

bool Nodes::is_draining() const {
  const NodeStatus* own = status_of(cluster::NodeNumber{self_.node});
  return own != nullptr && own->row.state == cluster::NodeState::draining;
}

std::string Nodes::trouble() const {
  if (standing_ == cluster::Standing::fenced)
    return "another node has ended this node's term; it is started again";
  if (standing_ == cluster::Standing::unsure)
    return "the database has not confirmed for 3 seconds that this node is still itself; "
           "deliveries go on by themselves when it does";
  if (clock_ == cluster::ClockStanding::wrong)
    return fmt::format(
        "this machine's clock is {} {} that of the database, and all nodes have to agree about the "
        "time; set it right (NTP), and mail goes on by itself",
        format_duration(std::chrono::abs(last_.clock_difference)),
        last_.clock_difference > Duration(0) ? "ahead of" : "behind");
  if (owned_ == 0 && is_draining())
    return "this node has given its part of the queue away ('postwain cluster join' brings it "
           "back)";
  if (owned_ == 0 && !any_answer_)
    return "this node has no part of the queue yet, and asks which one is its own";
  return owned_ == 0
             ? "this node has no part of the queue yet: the others are to give it some, which "
               "takes some seconds"
             : "";
}

std::string Nodes::name_of(std::uint8_t node) const {
  const NodeStatus* status = status_of(cluster::NodeNumber{node});
  return status != nullptr ? status->name : fmt::format("node {}", node);
}

bool Nodes::is_live(std::uint8_t node) const {
  const NodeStatus* status = status_of(cluster::NodeNumber{node});
  return status != nullptr && status->row.state != cluster::NodeState::gone;
}

std::optional<std::uint8_t> Nodes::owner_of(mail::QueueId id) const {
  if (id.is_in(owned_)) return self_.node;
  for (const cluster::BagRow& bag : last_.bags)
    if (bag.id.value == id.bag() && bag.owner && is_live(bag.owner->value)) return bag.owner->value;
  return std::nullopt;
}

ClusterView Nodes::view() const {
  ClusterView out;
  const std::int64_t now = boot_ms();
  switch (standing_) {
    case cluster::Standing::live:
      out.standing = is_draining() ? "draining" : owned_ == 0 && any_answer_ ? "joining" : "live";
      break;
    case cluster::Standing::unsure:
      out.standing = "unsure";
      break;
    case cluster::Standing::fenced:
      out.standing = "fenced";
      break;
  }
  out.word_age = Duration(now - membership_.memory().word.sent.time_since_epoch().count());
  out.node = self_.node;
  out.term = self_.term;
  std::vector<int> bags(cluster::kNodes);
  for (const cluster::BagRow& bag : last_.bags) {
    const NodeStatus* owner = bag.owner ? status_of(*bag.owner) : nullptr;
    if (bag.owner) ++bags[bag.owner->value];
    if (owner == nullptr || owner->row.state == cluster::NodeState::gone) ++out.orphans;
  }
  for (const NodeStatus& node : last_.nodes) {
    NodeView one;
    one.number = node.row.id.value;
    one.name = node.name;
    one.state = word_of(node.row.state);
    one.term = node.row.term.value;
    one.weight = node.row.weight;
    one.busy = node.row.busy;
    one.idle = node.row.idle;
    one.stay = node.stay;
    one.version = node.version;
    one.config = node.config;
    one.beat_age = Duration(now - changed_ms_[node.row.id.value]);
    one.bags = bags[node.row.id.value];
    one.self = node.row.id.value == self_.node;
    out.nodes.push_back(std::move(one));
  }
  out.server = last_.server;
  out.heard = Duration(any_answer_ ? now - last_.answered_ms : -1);
  out.silent = standing_ == cluster::Standing::unsure;
  out.database_trouble = away_;
  out.worth = last_.worth;
  out.lag = last_.lag;
  out.clock_difference = last_.clock_difference;
  out.in_doubt = doubts_.count();
  out.fences = fences_;
  out.adoptions = adoptions_;
  out.gives = gives_done_;
  if (hooks_.complete_view) hooks_.complete_view(out);
  return out;
}

void Nodes::set_stay(const std::string& node, bool stay, Done done) {
  read_then(
      queue_.store(),
      [node, stay](QueueStore& store) { return store.shared()->set_stay(node, stay); },
      [node, done](const StoreResult<bool>& changed) {
        if (!changed) return done(changed.error().text);
        done(*changed ? "" : fmt::format("there is no node \"{}\"", node));
      });
}

void Nodes::fence(const std::string& node, Done done) {
  const NodeStatus* status = status_of(node);
  if (status == nullptr) return done(fmt::format("there is no node \"{}\"", node));
  if (status->row.id.value == self_.node)
    return done("this is the node itself; say it on another one, or stop it");
  if (status->row.state == cluster::NodeState::gone)
    return done(fmt::format("\"{}\" is gone already", node));
  constexpr cluster::Beat kAnyBeat{-1};  // who says so knows better than its beats
  fence(cluster::Fence{status->row.id, status->row.term, kAnyBeat}, std::move(done));
}

void Nodes::leave(const std::string& node, Done done) {
  if (status_of(node) == nullptr) return done(fmt::format("there is no node \"{}\"", node));
  read_then(
      queue_.store(), [node](QueueStore& store) { return store.shared()->forget(node); },
      [node, done](const StoreResult<bool>& forgotten) {
        if (!forgotten) return done(forgotten.error().text);
        done(*forgotten ? ""
                        : fmt::format("\"{}\" lives, or has a part of the queue still: stop it, "
                                      "and wait until the others have taken it over",
                                      node));
      });
}

}  // namespace postwain::qmgr
