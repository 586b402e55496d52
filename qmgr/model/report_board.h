// What qmgr knows of a kind of process that it links others with: whether one is connected, and
// what it reports. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/ipc/messages.h"

namespace postwain::qmgr {

class ReportBoard {
 public:
  virtual ~ReportBoard() = default;

  // Processes that are connected: two during a reload.
  void connected() { ++processes_; }
  void lost() { --processes_; }
  bool is_connected() const { return processes_ > 0; }

  // A frame of one of them. is_newest: it is the one that others are linked with now, not one that
  // is about to end. False: none that it may send.
  virtual bool take_frame(ipc::FrameType type, std::string_view payload, bool is_newest) = 0;

 protected:
  ReportBoard() = default;
  ReportBoard(const ReportBoard&) = default;
  ReportBoard& operator=(const ReportBoard&) = default;

 private:
  std::uint32_t processes_ = 0;
};

}  // namespace postwain::qmgr
