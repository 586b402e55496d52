// Whether an end of data may be sent. The next hop knows nothing of tokens, so no fence in the
// database keeps a node that slept from completing a message which another node has taken over. The
// age of the node's last word does: others may end its term only after that word has expired
// (timing.h). The agent is to ask before each write that contains an end of data. The time between
// the question and the write is the one window that remains.
#pragma once

#include <cstdint>
#include <optional>

#include "qmgr/cluster/timing.h"
#include "qmgr/cluster/values.h"

namespace postwain::qmgr::cluster {

// What qmgr is to tell its agents, and to renew at each word. Without a cluster it is always open.
struct GatePage {
  std::optional<Word> word;  // none: there is no cluster
  bool fenced = false;
};

enum class Gate : std::uint8_t { open, shut, fenced };

// A word from the future was read before the machine was started again: the gate is shut.
Gate gate(const GatePage& page, BootTime now, Duration word_good = kTiming.word_good);

// How long an end of data waits at a gate that is shut, and how often it looks.
constexpr Duration kGateStep = std::chrono::milliseconds(20);
constexpr Duration kGatePatience = std::chrono::seconds(10);

struct EndOfData {
  BootTime ready{};  // since when it could be sent
  // Only a word whose beat was sent after that opens the gate: for routes on which an attempt in
  // doubt is held, and for machines whose clocks stand still while they are paused.
  bool ask = false;
};
// leave: send it now. wait: ask again after kGateStep. give_up: the attempt ends before its end of
// data; it is deferred, is not in doubt, and does not count against the destination. stop: no
// further end of data is sent in this term of the node.
enum class EndDecision : std::uint8_t { leave, wait, give_up, stop };
EndDecision decide_end(const GatePage& page, const EndOfData& end, BootTime now,
                       Duration word_good = kTiming.word_good);

}  // namespace postwain::qmgr::cluster
