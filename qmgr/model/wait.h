// Why a recipient waits although he is due, in words for an operator: what mail stands behind a
// breaker or a suspension leaves no trace in its row. Pure.
#pragma once

#include <string>
#include <string_view>

#include "common/base/time.h"

#include "qmgr/model/message.h"

namespace postwain::qmgr {

// turn: nothing holds it; others are being tried there, or the route's rate does not allow it yet.
// standstill: nothing at all is tried. filters: they are asked first, or cannot be.
enum class WaitCause : std::uint8_t { suspension, breaker, standstill, turn, filters };
std::string_view name_of(WaitCause cause);

struct Wait {
  WaitCause cause = WaitCause::turn;
  // What is suspended, or could not be reached: the name of a suspension, a destination, or the MX
  // hosts behind it.
  std::string scope;
  WallTime until = WallTime::max();  // that: nobody knows
  std::string by;                    // who has suspended it
  std::string reason;                // turn: the bound of the route that may hold it, in words
  std::uint32_t running = 0;         // turn: attempts at the destination

  // "mx:example.org could not be reached (timed out); one attempt tries it again at …"
  std::string words(WallTime now) const;
};

// The bound of a route in the words of the configuration: "rate allows 1 in 1h". name: of its key.
std::string rate_in_words(std::string_view name, std::uint32_t count, Duration period);

// When the next attempt can be: never a time gone by, zero where nobody knows. wait: null when
// nothing holds it.
WallTime next_attempt(const StoredRecipient& row, const Wait* wait, WallTime now);

}  // namespace postwain::qmgr
