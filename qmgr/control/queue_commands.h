// Commands that go through the queue: list, show, and what an operator does with messages (retry,
// hold, release, cancel, bounce).
//
// A walk goes page by page through the store, so a long list never holds up a commit, and never
// further than the connection takes it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

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

  // The peer has read what it got: a list of his goes on.
  void drained(std::uint64_t peer);
  void lost(std::uint64_t peer) { waiting_.erase(peer); }

 private:
  struct Running {
    Asker asker;
    std::string who;  // acts, for the history
    Walk walk;
  };
  using RunningPtr = std::shared_ptr<Running>;

  void begin(Asker asker, const Command& command, Walk::Purpose purpose, Action action);
  void read_page(const RunningPtr& running);
  void page(const RunningPtr& running, ListPage page);
  void take_part(const RunningPtr& running, StoredMessage& part);
  void note_hindered(Walk& walk, StoredMessage& part) const;
  void act_on(const RunningPtr& running, const StoredMessage& part);
  void act_after_attempts(const RunningPtr& running, const StoredMessage& part,
                          std::vector<std::uint32_t> busy);
  void go_on(const RunningPtr& running);
  void end(const Running& running);

  Queue& queue_;
  OperatorPeers& peers_;
  const QueueView& view_;
  std::map<std::uint64_t, RunningPtr> waiting_;  // by peer: a list that waits for its reader
};

}  // namespace postwain::qmgr
