// How short of processors the machine is, as the calling thread feels it: the share of its time in
// which it could have run and had to wait (Linux, schedstat). Not how much it does: an idle machine
// with a busy process shows nothing.
#pragma once

#include <cstdint>

#include "common/base/file.h"
#include "common/base/time.h"

namespace postwain::qmgr {

class CpuPressure {
 public:
  CpuPressure() = default;  // never knows anything
  // Of the process's first thread. To be made before the process gives up its files.
  static CpuPressure of_first_thread();

  // Waited, in percent of waited and run, over the last stretch of kStretch or more; 0 where the
  // system does not tell.
  unsigned percent(MonoTime now);

 private:
  static constexpr Duration kStretch = std::chrono::milliseconds(50);
  UniqueFd file_;
  MonoTime since_{};
  std::uint64_t ran_ = 0;  // ns
  std::uint64_t waited_ = 0;
  unsigned percent_ = 0;
};

}  // namespace postwain::qmgr
