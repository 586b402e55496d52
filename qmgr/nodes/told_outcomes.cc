#include "qmgr/nodes/told_outcomes.h"

#include <cstdint>
#include <utility>

#include "common/base/sysexits.h"
#include "common/ipc/messages.h"

#include "qmgr/verdicts/gate.h"

namespace postwain::qmgr {

namespace {

Error not_understood() {
  return Error{"what another node has told of attempts is not of this version's form",
               kExitProtocol};
}

}  // namespace

std::string told_beginning() {
  const std::uint16_t version = ipc::kProtocolVersion;
  return {static_cast<char>(version >> 8), static_cast<char>(version & 0xFFU)};
}

Result<ToldOutcomes> read_told(std::string_view data) {
  if (!data.starts_with(told_beginning())) return not_understood();
  data.remove_prefix(told_beginning().size());
  ToldOutcomes found;
  while (!data.empty()) {
    ipc::Frame frame;
    ipc::LateOutcomes late;
    if (ipc::next_frame(data, frame) != ipc::FrameState::complete ||
        frame.type != ipc::FrameType::late_outcomes || !ipc::decode(frame.payload, late))
      return not_understood();
    for (ipc::RecipientOutcome& one : late.outcomes) {
      bound(one.outcome);
      // They were seen to end.
      one.outcome.in_doubt = false;
      if (one.outcome.disposition != mail::Disposition::deferred)
        found[late.id].push_back({one.index, std::move(one.outcome)});
    }
    data.remove_prefix(frame.consumed);
  }
  return found;
}

}  // namespace postwain::qmgr
