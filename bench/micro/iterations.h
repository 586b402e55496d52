// A fixed number of iterations where the environment asks for it: two runs with different numbers
// then tell the instructions of one (bench/micro.py).
#pragma once

#include <cstdlib>

#include <benchmark/benchmark.h>

#include "common/base/text.h"

namespace postwain::bench {

inline void iterations(benchmark::internal::Benchmark* one) {
  if (const char* number = std::getenv("POSTWAIN_MICRO_ITERATIONS"))
    if (auto count = parse_decimal<std::int64_t>(number)) one->Iterations(*count);
}

}  // namespace postwain::bench
