// Finds in the database what any node has told of the history of mail (history_block.h): for
// messages of nodes that live, two or three seconds old; for those of dead nodes, all that they
// told.
//
// One question after the other, in steps of one bounded search each, so that the keeper has time
// for its other work. All of it on the loop, but for the searches themselves.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"

#include "qmgr/history/timeline_builder.h"
#include "qmgr/store/keeper_service.h"

namespace postwain::qmgr {

constexpr Duration kSearchWithin = std::chrono::seconds(10);
constexpr std::size_t kSearchesWaiting = 20;
constexpr std::size_t kBlocksReadMost = 2000;  // of each look

struct ToldElsewhere {
  std::vector<Timeline> timelines;
  std::vector<RefusedAttempt> refused;
  std::optional<Error> trouble;  // there may be more
};

class BlockReader {
 public:
  using Answer = std::function<void(ToldElsewhere)>;

  // name: of this node; what it told itself is marked as nobody's.
  BlockReader(KeeperService& keeper, std::string name) : keeper_(keeper), name_(std::move(name)) {}
  BlockReader(const BlockReader&) = delete;
  BlockReader& operator=(const BlockReader&) = delete;

  // done is not called when this goes before.
  void find(HistoryQuery query, Answer done);

 private:
  struct Search;
  void begin_next();
  void step();
  void turn_to_next_node();
  void end(std::optional<Error> trouble);

  KeeperService& keeper_;
  std::string name_;
  std::deque<std::shared_ptr<Search>> searches_;  // the first one is under way
  std::shared_ptr<char> here_ = std::make_shared<char>();
};

}  // namespace postwain::qmgr
