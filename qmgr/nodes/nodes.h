// This node among those that share the queue: sends its beats, and carries out what
// qmgr/cluster/membership.h concludes from their answers. It ends the terms of dead nodes, takes
// their bags over, gives bags away, and says whether this node may work. doc/cluster.md explains
// the whole.
//
// All of it on the loop; what changes the database goes through the store (shared_queue.h), so that
// it is in order with the mail's own transactions.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/ipc/messages.h"
#include "common/net/loop.h"

#include "qmgr/cluster/clock_check.h"
#include "qmgr/cluster/membership.h"
#include "qmgr/nodes/cluster_port.h"
#include "qmgr/nodes/doubt_count.h"
#include "qmgr/nodes/gives.h"
#include "qmgr/queue/queue.h"
#include "qmgr/store/beat_service.h"
#include "qmgr/store/shared_queue.h"

namespace postwain::qmgr {

class Nodes final : public ClusterPort {
 public:
  struct Hooks {
    // To the agents: how old the proof is that this node is still itself.
    std::function<void(const ipc::Word&)> say_word;
    // New messages are to get ids of `open`; those of `owned` are taken, too.
    std::function<void(std::uint64_t open, std::uint64_t owned)> bags_changed;
    // may_work() is another one now.
    std::function<void()> standing_changed;
    // Another node has ended our term: this process is to end.
    std::function<void(const StoreError&)> fenced;
    // Somebody has written suspensions; told once when the start is complete, too, since that may
    // have read them before this node's first beat.
    std::function<void()> suspensions_changed;
    // What the next beat is to say besides, and what one has read; the start may not be complete.
    std::function<void(BeatOrder&)> before_beat{};
    std::function<void(const BeatAnswer&)> beat_answered{};
    // What others know of the cluster.
    std::function<void(ClusterView&)> complete_view{};
  };
  // name: of this node. queue and beats outlive nothing of it but the callbacks.
  Nodes(net::Loop& loop, Queue& queue, std::unique_ptr<BeatService> beats,
        const SharedQueue::Self& self, std::uint64_t own, std::string name, Hooks hooks);

  // This process ends in good order: what a beat answers now, or that it has left, is no trouble.
  void stop();
  // The configuration's number, for all nodes to compare.
  void set_config(std::string config) { config_ = std::move(config); }
  // The proof is young, and there are bags: mail may be taken and lent.
  bool may_work() const {
    return standing_ == cluster::Standing::live && owned_ != 0 &&
           clock_ != cluster::ClockStanding::wrong;
  }
  // Why not, in words.
  std::string trouble() const;
  // It is live and has no bags, because it has only just joined, or drains.
  bool lacks_bags_only() const {
    return standing_ == cluster::Standing::live && owned_ == 0 &&
           clock_ != cluster::ClockStanding::wrong;
  }

  ClusterView view() const override;
  std::optional<std::uint8_t> owner_of(mail::QueueId id) const override;
  std::uint8_t self() const override { return self_.node; }
  bool is_live(std::uint8_t node) const override;
  std::string name_of(std::uint8_t node) const override;
  void set_stay(const std::string& node, bool stay, Done done) override;
  void fence(const std::string& node, Done done) override;
  void leave(const std::string& node, Done done) override;

 private:
  void tick();
  void send_beat();
  void note_own_facts();
  void answered(BeatAnswer answer);
  void carry_out(const cluster::Decisions& decisions);
  void fence(const cluster::Fence& fence, Done done);
  void adopt(const cluster::Adopt& adopt);
  void adopted(const cluster::Adopt& adopt, SharedQueue::Adopted adopted);
  void receive(std::uint64_t bags);
  void begin_gives(const std::vector<cluster::Give>& gives);
  void go_on_giving();
  void give(const cluster::Give& one);
  void given(const cluster::Give& one, bool done);
  void keep(const cluster::Give& one);
  void look_at_standing();
  void look_at_clock(Duration difference);
  void tell_facts();
  void tell_bags();
  void stop_working(const std::string& why);
  const NodeStatus* status_of(cluster::NodeNumber node) const;
  const NodeStatus* status_of(const std::string& name) const;
  bool is_draining() const;  // as the last beat has read it
  std::string name_of(cluster::NodeNumber node) const;
  std::vector<std::uint64_t> messages_of_bags() const;
  cluster::BootTime boot_now() const;

  Queue& queue_;
  SharedQueue::Self self_;
  std::string name_;
  std::string config_;
  Hooks hooks_;
  cluster::Membership membership_;
  cluster::Standing standing_ = cluster::Standing::live;
  cluster::ClockStanding clock_ = cluster::ClockStanding::right;
  std::uint64_t owned_;
  std::uint64_t moving_ = 0;  // adoptions and gifts that are under way in the store
  Gives gives_;
  bool beating_ = false;
  bool stopped_ = false;
  cluster::BootTime sent_{};
  BeatAnswer last_;  // that said something
  bool any_answer_ = false;
  std::string away_;                 // why the last beat had no answer; empty: it had
  std::uint64_t facts_version_ = 0;  // of what this node itself has changed, at its last beat
  bool facts_written_ = false;       // that has changed since the last look at what others have
  std::optional<std::int64_t> suspensions_;  // the mark of those that hold here
  std::vector<std::int64_t> changed_ms_;     // of each node: when its beat was seen to change
  std::vector<std::int64_t> beats_seen_;
  DoubtCount doubts_;
  std::uint64_t fences_ = 0;
  std::uint64_t adoptions_ = 0;
  std::uint64_t gives_done_ = 0;
  net::Timer timer_;
  std::unique_ptr<BeatService> beats_;  // goes first: its answers come here
};

}  // namespace postwain::qmgr
