// Why an operator's command cannot have a recipient tried now, in words for him. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "common/base/time.h"

#include "qmgr/model/message.h"
#include "qmgr/model/wait.h"
#include "qmgr/queue/queue.h"

namespace postwain::qmgr {

struct Hindrance {
  std::string why;
  // The command leaves this recipient alone; otherwise it acts, and tells.
  bool leaves_alone = false;
};

// What of a recipient counts here. wait: for what he would wait if he were due; asked only where it
// matters.
struct HinderedRecipient {
  bool held = false;
  bool active = false;
  std::function<std::optional<Wait>()> wait;
};

// Only retry and release have recipients tried, and may be hindered. retry leaves alone what is
// suspended; release ends the hold of such a recipient, and says that he waits nevertheless.
std::optional<Hindrance> hindrance_of(Action action, const HinderedRecipient& recipient,
                                      WallTime now);

}  // namespace postwain::qmgr
