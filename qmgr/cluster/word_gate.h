// Whether an end of data may leave. The next hop knows no token, so no fence in the database keeps
// a node that slept from ending a message which another node has taken over. What keeps it is the
// age of the node's last word: others may end its term only when that word is worthless already
// (timing.h). The agent asks before each write that holds an end of data. What lies between the
// question and the write is the one window that remains.
#pragma once

#include <cstdint>
#include <optional>

#include "qmgr/cluster/timing.h"
#include "qmgr/cluster/values.h"

namespace postwain::qmgr::cluster {

// What qmgr tells its agents, and changes at each word. Without a cluster: always open.
struct GatePage {
  std::optional<Word> word;  // none: there is no cluster
  bool fenced = false;
};

enum class Gate : std::uint8_t { open, shut, fenced };

// A word from the future belongs to another life of the machine: shut.
Gate gate(const GatePage& page, BootTime now, Duration word_good = kTiming.word_good);

// How long an end of data waits at a gate that is shut, and how often it looks.
constexpr Duration kGateStep = std::chrono::milliseconds(20);
constexpr Duration kGatePatience = std::chrono::seconds(10);

struct EndOfData {
  BootTime ready{};  // since when it could leave
  // Only a word that was asked for after that opens the gate: for routes on which an attempt in
  // doubt is held, and machines whose clocks stand still while they are paused.
  bool ask = false;
};
// leave: now. wait: ask again after kGateStep. give_up: the attempt ends before its end of data; it
// is deferred, is not in doubt, and says nothing of the destination. stop: no further end of data
// leaves in this life of the node.
enum class EndDecision : std::uint8_t { leave, wait, give_up, stop };
EndDecision decide_end(const GatePage& page, const EndOfData& end, BootTime now,
                       Duration word_good = kTiming.word_good);

}  // namespace postwain::qmgr::cluster
