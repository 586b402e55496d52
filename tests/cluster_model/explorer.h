// Goes through every state that a model can reach, the nearest first, until a property fails or
// nothing is left; so what it finds is the shortest way to it. Of a state that was seen only a hash
// of 64 bits is kept, and the step that led there; of ten million states about one in 10^5 runs
// would take a new one for a known one. States themselves are kept while they wait.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/cluster_model/model.h"

namespace postwain::cluster_model {

struct Bounds {
  std::uint64_t states = 3'000'000;
};

struct Finding {
  Wrong wrong = Wrong::nothing;
  std::uint64_t states = 0;
  std::uint64_t steps = 0;
  unsigned depth = 0;     // ticks and steps from the first state to the last one looked at
  bool complete = false;  // there were no more states
  std::string story;      // for something wrong: how it came to that, a line a step
};

Finding explore(const Rules& rules, const Bounds& bounds);

}  // namespace postwain::cluster_model
