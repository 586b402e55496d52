// Another process of an exercise, outside of the confinement: the peer for what is tried out.
#pragma once

#include <functional>

#include "common/base/file.h"
#include "common/base/result.h"
#include "common/net/loop.h"

namespace postwain::exercise {

// Starts it. It ends when its work is done, or with the process that called this.
Status start_helper(const std::function<void()>& work);

// A socket of this type on loopback, bound, and listening where it can. Its port.
struct Loopback {
  UniqueFd fd;
  std::uint16_t port = 0;
};
Result<Loopback> open_loopback(int type);

// Runs the loop until somebody stops it; false when nobody has within ten seconds.
bool run_for_a_while(net::Loop& loop);

}  // namespace postwain::exercise
