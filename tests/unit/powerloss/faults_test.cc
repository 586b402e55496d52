// The k-th call to the disk fails, for every k of a story: once with an input/output error, once
// because the disk is full, for one call and for a while.
//
// After an error of the disk the store says that it is broken and the process would end; a full
// disk it outlives. In both cases nothing that was promised is missing: neither for the next start
// on what the kernel still has, nor after a power cut on top.
#include <cstdio>

#include <catch2/catch.hpp>

#include "tests/simdisk/power_cut.h"
#include "tests/unit/powerloss/script.h"

using namespace postwain;
using namespace postwain::powerloss;
using simdisk::Fault;

namespace {

struct Tally {
  std::size_t runs = 0;
  std::size_t broken = 0;
  std::size_t not_started = 0;
  std::size_t states = 0;
};

// Runs the story with ever later faults until one runs without.
Tally sweep(Fault fault, std::uint64_t times, std::uint64_t seed) {
  Tally tally;
  simdisk::Random random(seed);
  for (std::uint64_t k = 1;; ++k) {
    simdisk::Disk disk(empty_spool());
    Ledger ledger;
    disk.fail(fault, k, times);
    Ending ending = tell({seed, 8, Sin::none}, disk, ledger);
    if (!disk.failed()) {
      REQUIRE(ending == Ending::stopped);
      return tally;
    }
    ++tally.runs;
    tally.broken += ending == Ending::broken;
    tally.not_started += ending == Ending::not_started;
    INFO("seed " << seed << ", fault at call " << k);
    REQUIRE(judge(disk.seen(), ledger, disk.position()) == "");
    simdisk::PowerCut power(disk.first(), disk.log(), k);
    power.advance(disk.position());
    for (int i = 0; i < 2; ++i, ++tally.states)
      REQUIRE(judge(power.image(random), ledger, disk.position()) == "");
  }
}

void tell_tally(const char* what, const Tally& tally) {
  std::printf("%s: %zu runs, %zu ended as broken, %zu did not start, %zu power cuts on top\n", what,
              tally.runs, tally.broken, tally.not_started, tally.states);
}

}  // namespace

TEST_CASE("an input/output error at any call breaks no promise") {
  Tally tally = sweep(Fault::io_error, 1, 21);
  tell_tally("EIO once", tally);
  REQUIRE(tally.runs > 100);
  REQUIRE(tally.broken > tally.runs / 4);
}

TEST_CASE("a disk that is full at any call breaks no promise, and the store goes on") {
  for (std::uint64_t times : {1, 9}) {
    Tally tally = sweep(Fault::no_space, times, 21 + times);
    tell_tally(times == 1 ? "ENOSPC once" : "ENOSPC for 9 calls", tally);
    REQUIRE(tally.runs > 100);
    REQUIRE(tally.broken == 0);
  }
}

TEST_CASE("a disk that finds no space at a sync breaks no promise") {
  Tally tally = sweep(Fault::no_space_at_sync, 1, 24);
  tell_tally("ENOSPC at a sync", tally);
  REQUIRE(tally.runs > 10);
  REQUIRE(tally.broken > 0);
}
