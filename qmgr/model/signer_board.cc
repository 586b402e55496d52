#include "qmgr/model/signer_board.h"

namespace postwain::qmgr {

bool SignerBoard::take_frame(ipc::FrameType type, std::string_view payload, bool /*is_newest*/) {
  ipc::SignerReport report;
  if (type != ipc::FrameType::signer_report || !ipc::decode(payload, report)) return false;
  for (std::size_t i = 0; i < report.made.size(); ++i) sums_.made[i] += report.made[i];
  sums_.cached += report.cached;
  sums_.failed += report.failed;
  sums_.microseconds += report.microseconds;
  return true;
}

}  // namespace postwain::qmgr
