// Commands that go through the queue: list, show, and what an operator does with messages (retry,
// hold, release, cancel, bounce).
//
// A walk goes page by page through the store, so a long list never holds up a commit, and never
// further than the connection takes it. Where several nodes share the queue, an action asks the
// other ones for what is theirs (cluster/remote_actions.h), and serves what they ask for.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"

#include "qmgr/control/cluster/remote_actions.h"
#include "qmgr/control/json/action_json.h"
#include "qmgr/control/json/command_json.h"
#include "qmgr/control/operator_peers.h"
#include "qmgr/control/queue_view.h"
#include "qmgr/control/walk.h"
#include "qmgr/queue/queue.h"
#include "qmgr/store/queue_walk.h"

namespace postwain::qmgr {

class QueueCommands {
 public:
  QueueCommands(Queue& queue, OperatorPeers& peers, const QueueView& view)
      : queue_(queue), peers_(peers), view_(view) {}

  void list(Asker asker, const Command& command);
  // Needs an id.
  void show(Asker asker, const Command& command);
  // Needs --all or a filter.
  void act(Asker asker, const Command& command, Action action);

  // Who is asked for what is another node's; null: there is none.
  void set_others(RemoteActions* others) { others_ = others; }
  // Acts on messages of this node, as another node's operator wants it, or one of our own whose
  // messages have come here meanwhile. Recipients whose attempt runs are named as hindered, and
  // obeyed when it has ended.
  using OrderDone = std::function<void(Result<ActionResult>)>;
  void obey(const ActionOrder& order, OrderDone done);

  // The peer has read what it got: a list of his goes on.
  void drained(std::uint64_t peer);
  void lost(std::uint64_t peer) { waiting_.erase(peer); }

 private:
  struct Running {
    Asker asker;
    std::string who;  // acts, for the history
    Walk walk;
    OrderDone tell{};                        // an order's; null: the answer is the asker's
    std::vector<mail::QueueId> elsewhere{};  // of an order
    RemoteActions::Messages for_others{};    // met, and not passed on yet
    std::size_t orders = 0;                  // under way at other nodes
    bool stalled = false;                    // goes on when one of them is done
    bool ended = false;
  };
  using RunningPtr = std::shared_ptr<Running>;

  void begin(Asker asker, const Command& command, Walk::Purpose purpose, Action action);
  void refuse(const Running& running, const std::string& text, int exit_code);
  void read_page(const RunningPtr& running);
  void page(const RunningPtr& running, ListPage page);
  void take_part(const RunningPtr& running, StoredMessage& part);
  void take_others(Running& running, const StoredMessage& part) const;
  void pass_on(const RunningPtr& running);
  void pass_on_active(const RunningPtr& running);
  RemoteActions::Done order_done(const RunningPtr& running);
  void end_if_over(const RunningPtr& running);
  bool is_wanted(const Running& running) const;
  void note_hindered(Walk& walk, StoredMessage& part) const;
  void act_on(const RunningPtr& running, const StoredMessage& part);
  void act_after_attempts(const RunningPtr& running, const StoredMessage& part,
                          std::vector<std::uint32_t> busy);
  void go_on(const RunningPtr& running);
  void end(const Running& running);

  Queue& queue_;
  OperatorPeers& peers_;
  const QueueView& view_;
  RemoteActions* others_ = nullptr;
  std::map<std::uint64_t, RunningPtr> waiting_;  // by peer: a list that waits for its reader
};

}  // namespace postwain::qmgr
