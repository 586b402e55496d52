#include "db-link/host_health.h"

#include <utility>

namespace postwain::dblink {

bool LogPause::over(MonoTime now) {
  if (any_ && now - last_ < kLogEvery) return false;
  any_ = true;
  last_ = now;
  return true;
}

bool HostHealth::failed(MonoTime now) {
  reached_ = false;
  return pause_.over(now);
}

bool HostHealth::reached() {
  return !std::exchange(reached_, true);
}

}  // namespace postwain::dblink
