// What the loop hands to the store's thread, and what comes back in the same object: requests that
// one group commit takes together.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "qmgr/model/changes.h"
#include "qmgr/store/facts.h"

namespace postwain::qmgr {

// duplicate: the same transaction was stored before; conflict: another message has the id.
// unknown: the store failed; the message may be found stored at the next start all the same.
// unexpandable: what a recipient stands for cannot be worked out (expansion.h); faulty: not now,
// since a line of the alias file is wrong.
enum class AcceptEnd : std::uint8_t {
  stored,
  duplicate,
  conflict,
  full,
  failed,
  unknown,
  unexpandable,
  faulty,
};
// Nothing will ever refer to the message: its content file may go.
constexpr bool certainly_not_stored(AcceptEnd end) {
  return end == AcceptEnd::full || end == AcceptEnd::failed || end == AcceptEnd::unexpandable ||
         end == AcceptEnd::faulty;
}

struct AcceptRequest {
  Submission submission;
  WallTime due{};
  // Of attempts that may begin as soon as it is committed; they are named if it is stored.
  std::vector<AttemptName> named{};
  const std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
  AcceptEnd end = AcceptEnd::failed;
  std::string error{};  // failed: for the log
  std::function<void(AcceptRequest&)> done{};
};

struct SettleRequest {
  Settlement settlement;
  Settled settled{};
  std::string error{};  // not empty: nothing of it was done, and this is why
  bool urgent = false;  // an operator waits: it does not ride
  std::function<void(SettleRequest&)> done{};
};

struct FactRequest {
  Fact fact;
  std::function<void()> done{};  // once it is committed; may be empty
};

struct Batch {
  std::vector<std::unique_ptr<SettleRequest>> settles;
  std::vector<FactRequest> facts;
  std::vector<std::unique_ptr<AcceptRequest>> accepts;

  bool empty() const { return settles.empty() && facts.empty() && accepts.empty(); }
  std::size_t size() const { return settles.size() + facts.size() + accepts.size(); }
};

}  // namespace postwain::qmgr
