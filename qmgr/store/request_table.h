// What nodes that share a queue ask each other, as rows of its database (qmgr/nodes/requests.h has
// the conversation). Each row is for one node, which takes it out of the table when it reads it.
//
// A request, or an answer, that was taken by somebody who died is lost. Nothing is repeated here:
// whoever asks hears nothing, and decides himself what that means to him.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/time.h"

#include "qmgr/store/store_error.h"

namespace postwain::qmgr {

constexpr std::size_t kRequestMax = 64U << 10;             // octets of a request
constexpr std::size_t kAnswerPiece = 64U << 10;            // of a row of an answer
constexpr std::size_t kAnswerMax = 1U << 20;               // of an answer, in rows
constexpr std::size_t kRequestsPerNode = 1000;             // that lie there for one node
constexpr std::size_t kRequestsAtOnce = 16;                // that are taken in one go
constexpr std::size_t kAnswersAtOnce = 4;                  // the same
constexpr Duration kRequestsKept = std::chrono::hours(1);  // what nobody has taken

struct NodeRequest {
  std::uint8_t to = 0;
  std::uint8_t from = 0;
  // Chosen by who asks, once and for all; the answer names it.
  std::int64_t number = 0;
  std::int64_t kind = 0;
  // After this time nobody takes it any more, by the database's clock.
  Duration within{};
  std::string data;
};

struct NodeAnswer {
  std::uint8_t to = 0;
  std::int64_t number = 0;  // of the request
  int code = 0;             // 0: data is the answer; else one of sysexits.h, and data says why
  std::string data;
};

class RequestTable {
 public:
  virtual ~RequestTable() = default;

  // request.from is this node, whatever it says. False: too much lies there for the other one.
  virtual StoreResult<bool> ask(const NodeRequest& request) = 0;
  // Those for this node, kRequestsAtOnce at most. Those whose time is over are removed, too.
  virtual StoreResult<std::vector<NodeRequest>> take_requests(std::size_t most) = 0;
  // data: kAnswerMax at most.
  virtual StoreStatus answer(const NodeAnswer& answer) = 0;
  // Those for this node, kAnswersAtOnce at most.
  virtual StoreResult<std::vector<NodeAnswer>> take_answers() = 0;
  // Removes what has lain there for kRequestsKept, for whichever node.
  virtual StoreStatus sweep() = 0;
};

}  // namespace postwain::qmgr
