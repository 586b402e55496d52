// How many messages are worth having on their way at once over one connection: as many as the peer
// deals with in one round trip. A peer next door, or one that thinks for long about each, gets one
// at a time, so that other connections share the work; one far away gets the whole flight. Pure.
#pragma once

#include <algorithm>
#include <cstddef>

#include "common/base/time.h"

namespace postwain::agent {

class Pace {
 public:
  void round_trip(Duration measured) { round_trip_ms_ = static_cast<double>(measured.count()); }
  // The peer took so long for one message, without the way there and back.
  void served(Duration took) {
    double ms = std::max(static_cast<double>(took.count()), kLeast);
    service_ms_ = service_ms_ == 0 ? ms : service_ms_ + (ms - service_ms_) / 4;
  }
  // At least 1; unknown counts as one.
  std::size_t flight(std::size_t most) const {
    if (service_ms_ == 0) return 1;
    auto fit = static_cast<std::size_t>(round_trip_ms_ / service_ms_);
    return std::clamp<std::size_t>(fit, 1, std::max<std::size_t>(most, 1));
  }
  Duration round_trip() const { return Duration(static_cast<Duration::rep>(round_trip_ms_)); }

 private:
  static constexpr double kLeast = 0.5;  // the clock counts whole milliseconds
  double round_trip_ms_ = 0;
  double service_ms_ = 0;
};

}  // namespace postwain::agent
