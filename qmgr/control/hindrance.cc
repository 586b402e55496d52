#include "qmgr/control/hindrance.h"

#include <fmt/format.h>

namespace postwain::qmgr {

namespace {

std::string words_of(const Wait& wait, WallTime now) {
  if (wait.cause == WaitCause::breaker)
    return fmt::format(
        "{} could not be reached: one message is tried at once, the others when it "
        "has got through{}",
        wait.scope, wait.reason.empty() ? "" : ": " + wait.reason);
  std::string why = wait.words(now);
  if (wait.cause == WaitCause::suspension)
    why += fmt::format("; postwain queue resume '{}' ends that", wait.scope);
  return why;
}

}  // namespace

std::optional<Hindrance> hindrance_of(Action action, const HinderedRecipient& recipient,
                                      WallTime now) {
  bool retry = action == Action::retry;
  if (!retry && action != Action::release) return std::nullopt;
  if (retry && recipient.held) return Hindrance{"held; postwain queue release ends that"};
  if (!retry && !recipient.held) return std::nullopt;
  if (recipient.active) return Hindrance{"an attempt runs at this moment"};
  std::optional<Wait> wait = recipient.wait();
  if (!wait || wait->cause == WaitCause::turn) return std::nullopt;
  return Hindrance{words_of(*wait, now), retry && wait->cause == WaitCause::suspension};
}

}  // namespace postwain::qmgr
