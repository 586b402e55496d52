// What the process `reporter` tells qmgr for the metrics: what has been counted since the report
// before, and how many reports wait. Lost reports are lost.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/ipc/messages.h"

namespace postwain::ipc {

// What reports are about: how TLS went (RFC 8460), or what DMARC found (RFC 9990).
enum class ReportTopic : std::uint8_t { tls, dmarc };
constexpr std::size_t kReportTopics = 2;
std::string_view name_of(ReportTopic topic);

struct ReporterCounts {
  std::uint64_t results = 0;   // that were told to it, to be reported
  std::uint32_t sent = 0;      // reports: handed over as mail, or posted
  std::uint32_t put_off = 0;   // tries that failed, and that are made again
  std::uint32_t given_up = 0;  // reports that nobody gets
  std::uint32_t waiting = 0;   // reports that are to be sent, at the moment

  bool has_news_since(const ReporterCounts& before) const {
    return results > 0 || sent > 0 || put_off > 0 || given_up > 0 || waiting != before.waiting;
  }
};

struct ReporterReport {
  static constexpr FrameType kType = FrameType::reporter_report;
  std::array<ReporterCounts, kReportTopics> topics{};  // by ReportTopic
};

}  // namespace postwain::ipc
