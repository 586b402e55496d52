// Whether an end of data may be sent, by a machine that shares its queue with others
// (doc/cluster.md). The next hop knows nothing of tokens, so no fence in the database keeps a
// machine that slept from completing a message which another one has taken over. The age of the
// last word does: others may end the term of the machine only after that word has expired. Whoever
// sends asks before each write that contains an end of data. The time between the question and the
// write is the one window that remains. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "common/base/time.h"

namespace postwain::smtp {

// The proof that this machine's part of the queue was still its own when `sent` was read from its
// clock, and for how long that lets ends of data leave.
struct LastWord {
  BootTime sent{};
  Duration good{};
};

// What qmgr has told its agents. Without a queue that is shared it is always open.
struct GatePage {
  std::optional<LastWord> word{};  // none: nobody else has anything to do with the queue
  bool fenced = false;             // this machine's term has been ended
};

enum class Gate : std::uint8_t { open, shut, fenced };

// A word from the future was read before the machine was started again: the gate is shut.
Gate gate(const GatePage& page, BootTime now);

// How long an end of data waits at a gate that is shut, and how often it looks.
constexpr Duration kGateStep = std::chrono::milliseconds(20);
constexpr Duration kGatePatience = std::chrono::seconds(10);

struct EndOfData {
  BootTime ready{};  // since when it could be sent
  // Only a word that was sent after that opens the gate: for routes on which an attempt in doubt is
  // held, and for machines whose clocks stand still while they are paused.
  bool ask = false;
};
// leave: send it now. wait: ask again after kGateStep. give_up: the attempt ends before its end of
// data; it is deferred, is not in doubt, and does not count against the destination. stop: no
// further end of data is sent in this term of the machine.
enum class EndDecision : std::uint8_t { leave, wait, give_up, stop };
EndDecision decide_end(const GatePage& page, const EndOfData& end, BootTime now);

}  // namespace postwain::smtp
