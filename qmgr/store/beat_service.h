// The heartbeat of a node that shares its queue: raises the node's counter in the database, and
// reads in the same transaction which nodes there are and who has which bag. It has a session and a
// thread of its own, so that mail does not hold it up.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/base/time.h"

#include "qmgr/cluster/membership.h"

namespace postwain::qmgr {

// A node as its row has it.
struct NodeStatus {
  cluster::NodeRow row;
  std::string name;
  std::string version;
  std::string config;  // a number that tells its configuration from others
  bool stay = true;    // its operator wants it to have bags
  // qmgr/cluster/place_shares.h
  std::int64_t seen = 0;
  std::string wants;
};

// Changes whenever somebody has written or removed such facts.
struct FactsMark {
  std::int64_t suspensions = 0;
  std::int64_t breakers = 0;
  bool operator==(const FactsMark&) const = default;
};

// Whether something for this node lies there (request_table.h).
struct RequestMarks {
  bool requests = false;
  bool answers = false;
};

struct BeatOrder {
  bool busy = false;
  bool idle = false;
  std::string config;
  std::int64_t seen = 0;  // as NodeStatus has them
  std::string wants;
};

struct BeatAnswer {
  cluster::BeatEnd end = cluster::BeatEnd::away;
  std::int64_t answered_ms = 0;  // of CLOCK_BOOTTIME
  std::string error;             // for away
  std::vector<NodeStatus> nodes;
  std::vector<cluster::BagRow> bags;
  FactsMark facts;
  RequestMarks requests;
  // By how much our wall clock is ahead of the database's (cluster/clock_check.h).
  Duration clock_difference{};
  std::string server;     // "PostgreSQL 15.18 at …"
  std::string worth;      // what a 250 is worth (cluster/durability.h)
  std::int64_t lag = -1;  // cluster::CommitFacts
};

class BeatService {
 public:
  virtual ~BeatService() = default;
  using OnAnswer = std::function<void(BeatAnswer)>;
  // One at a time: the next one is sent when this one was answered, on the loop.
  virtual void send(BeatOrder order, OnAnswer done) = 0;
};

}  // namespace postwain::qmgr
