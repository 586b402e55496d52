// How short of processors the machine is. The test runs on the process's first thread, as qmgr's
// loop does.
#include <sched.h>

#include <atomic>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "qmgr/store/cpu_pressure.h"

using namespace postwain;
using namespace postwain::qmgr;

namespace {

void work_for(Duration duration) {
  MonoTime end = mono_now() + duration;
  while (mono_now() < end) continue;
}

}  // namespace

TEST_CASE("who knows nothing of the processors sees no shortage") {
  CpuPressure wait;
  work_for(std::chrono::milliseconds(60));
  CHECK(wait.percent(mono_now()) == 0);
}

TEST_CASE("a shortage of processors is seen") {
  cpu_set_t before;
  REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
  CpuPressure wait = CpuPressure::of_first_thread();
  wait.percent(mono_now());
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
  std::atomic<bool> stop{false};
  std::vector<std::thread> others;
  for (int i = 0; i < 4; ++i)
    others.emplace_back([&stop] {
      while (!stop) continue;
    });
  work_for(std::chrono::milliseconds(500));
  unsigned crowded = wait.percent(mono_now());
  stop = true;
  for (std::thread& other : others) other.join();
  REQUIRE(::sched_setaffinity(0, sizeof before, &before) == 0);
  CHECK(crowded >= 30);
  CHECK(crowded <= 100);
  CHECK(wait.percent(mono_now()) == crowded);  // the same until the next measurement is over
}
