// What qmgr knows of the process that signs mail: whether it is connected, and what has been
// counted of it since qmgr's start. In memory only. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "common/ipc/signer_report.h"

#include "qmgr/model/report_board.h"

namespace postwain::qmgr {

struct SignerSums {
  std::array<std::uint64_t, ipc::kSigningAlgorithms> made{};  // by ipc::SigningAlgorithm
  std::uint64_t cached = 0;
  std::uint64_t failed = 0;
  std::uint64_t microseconds = 0;  // of all that were made
};

class SignerBoard final : public ReportBoard {
 public:
  // Whether there is to be one ([[dkim_key]]).
  void configure(bool wanted) { wanted_ = wanted; }
  bool take_frame(ipc::FrameType type, std::string_view payload, bool is_newest) override;

  bool is_wanted() const { return wanted_; }
  const SignerSums& sums() const { return sums_; }

 private:
  bool wanted_ = false;
  SignerSums sums_;
};

}  // namespace postwain::qmgr
