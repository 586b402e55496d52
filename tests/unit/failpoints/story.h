// A short life of the real store, store thread, content files and history over a real folder, told
// in a process of its own with one failpoint armed. What was handed over and what was answered
// stands in memory shared with the test, which judges the folder afterwards.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "qmgr/disk/failpoint.h"

namespace postwain::failpoints {

enum class Step : std::uint8_t {
  accept_first,   // two recipients
  accept_second,  // one, who will be refused
  accept_large,   // two, with a content file
  settle_first,   // one delivered, one deferred
  settle_second,  // refused: the row goes, the bounce comes
  settle_large_1,
  settle_large_2,  // the last one: the content file goes
  accept_last,
  count_
};
constexpr std::size_t kSteps = static_cast<std::size_t>(Step::count_);

struct Shared {
  std::atomic<std::uint32_t> reached{0};
  std::atomic<bool> begun[kSteps]{};
  std::atomic<bool> promised[kSteps]{};
};

struct Ending {
  bool killed = false;
  int exit_code = 0;  // 0: the whole story; 75: the store said it was broken, or did not open
};

struct Arming {
  qmgr::Failpoint point;
  qmgr::FailAction action;
  std::uint32_t nth;
};

// Runs the story in the folder, in a process of its own.
Ending tell(const std::string& folder, Shared& shared, const Arming* arming);

// The first thing that is wrong with what is found; empty: every promise is kept.
std::string judge(const std::string& folder, const Shared& shared);

}  // namespace postwain::failpoints
