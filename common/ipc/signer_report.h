// What the process `signer` tells qmgr for the metrics: what has been counted since the report
// before. Lost reports are lost.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/ipc/messages.h"
#include "common/ipc/signer_messages.h"

namespace postwain::ipc {

constexpr std::size_t kSigningAlgorithms =
    static_cast<std::size_t>(last_of(SigningAlgorithm{})) + 1;
std::string_view name_of(SigningAlgorithm algorithm);  // "rsa-sha256", as in RFC 6376 3.3

struct SignerReport {
  static constexpr FrameType kType = FrameType::signer_report;
  std::array<std::uint32_t, kSigningAlgorithms> made{};  // signatures, by algorithm
  std::uint32_t cached = 0;        // that were there already, or were being made for somebody else
  std::uint32_t failed = 0;        // that could not be made
  std::uint64_t microseconds = 0;  // that making them took
};

}  // namespace postwain::ipc
