// What is heard of attempts after another node has taken their messages over: a reply that came
// late, or an outcome that could not be written any more because this node's term was ended. It is
// told to the node that has the message now, which settles it if it still is in doubt there
// (LateOutcomes::settle_told). So knowledge survives without a right to write.
//
// Only deliveries and failures are worth it. What is told twice finds no doubt the second time, and
// what is lost leaves the doubt as it is; so nothing of it is kept beyond this process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/mail/outcome.h"
#include "common/mail/queue_id.h"
#include "common/net/loop.h"

#include "qmgr/nodes/cluster_port.h"
#include "qmgr/nodes/requests.h"
#include "qmgr/queue/queue.h"

namespace postwain::qmgr {

constexpr std::size_t kLateToldMax = 10'000;  // recipients; what comes beyond is dropped
constexpr Duration kLateTellPause = std::chrono::milliseconds(500);
constexpr Duration kLateTellWithin = std::chrono::seconds(10);
constexpr Duration kLateTellFor = std::chrono::minutes(2);  // then it is forgotten

class LateTold {
 public:
  LateTold(net::Loop& loop, Queue& queue, ClusterPort& cluster, Requests& requests);

  // Of a message that is another node's.
  void tell(mail::QueueId id, std::uint32_t index, const mail::Outcome& outcome);
  std::size_t waiting() const { return waiting_.size(); }

 private:
  using Key = std::pair<mail::QueueId, std::uint32_t>;
  struct One {
    std::string frame;  // ipc::LateOutcomes, of this recipient
    MonoTime until{};
    bool sent = false;
  };
  void look();
  void send(std::uint8_t node, const std::string& data, const std::vector<Key>& keys);
  void told(std::uint8_t node, const std::vector<Key>& keys, const Result<std::string>& answer);
  Result<std::string> hear(std::uint8_t from, const std::string& data);

  Queue& queue_;
  ClusterPort& cluster_;
  Requests& requests_;
  std::map<Key, One> waiting_;
  net::Timer looks_;
};

}  // namespace postwain::qmgr
