// Every failpoint of the table × death, an input/output error, a full disk: nothing that was
// promised is missing, nothing has happened in part, the next start works.
#include <cstdio>
#include <new>

#include <sys/mman.h>

#include <catch2/catch.hpp>

#include "qmgr/store/sqlite/sqlite_store.h"
#include "tests/unit/failpoints/story.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::failpoints;
using qmgr::FailAction;
using qmgr::Failpoint;

namespace {

// Of the whole server only (tests/system/queue/test_failpoints.py).
constexpr Failpoint kElsewhere[] = {Failpoint::lease_send};
constexpr std::uint32_t kTimesMax = 3;  // the first, second and third time a point is reached

class SharedMemory {
 public:
  SharedMemory()
      : memory_(::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                       -1, 0)) {
    new (memory_) Shared;
  }
  ~SharedMemory() { ::munmap(memory_, sizeof(Shared)); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  Shared& operator*() { return *static_cast<Shared*>(memory_); }

 private:
  void* memory_;
};

std::size_t promises(const Shared& shared) {
  std::size_t count = 0;
  for (const auto& one : shared.promised) count += one ? 1 : 0;
  return count;
}

// Runs the story with that point armed and judges what the next start finds.
// False: the story does not reach the point that often.
bool try_one(const Arming& arming) {
  qmgr::test::TempFolder folder;
  SharedMemory shared;
  Ending ending = tell(folder.path(), *shared, &arming);
  if ((*shared).reached < arming.nth) return false;
  if (arming.action == FailAction::kill)
    REQUIRE(ending.killed);
  else
    REQUIRE((ending.exit_code == 0 || ending.exit_code == 75));
  if (arming.action == FailAction::no_space && ending.exit_code == 0)
    REQUIRE((*shared).promised[static_cast<std::size_t>(Step::accept_last)]);
  REQUIRE(judge(folder.path(), *shared) == "");
  return true;
}

}  // namespace

TEST_CASE("the story without any failure keeps and fulfils every promise") {
  qmgr::test::TempFolder folder;
  SharedMemory shared;
  REQUIRE(tell(folder.path(), *shared, nullptr).exit_code == 0);
  REQUIRE(promises(*shared) == kSteps);
  REQUIRE(judge(folder.path(), *shared) == "");
}

TEST_CASE("a promise broken on purpose is found") {
  qmgr::test::TempFolder folder;
  SharedMemory shared;
  REQUIRE(tell(folder.path(), *shared, nullptr).exit_code == 0);
  {
    auto store = qmgr::SqliteStore::open(folder.db());
    REQUIRE((*store)->database().run("DELETE FROM message WHERE id = 14").ok());
  }
  REQUIRE(judge(folder.path(), *shared) == "the last message is lost");
}

TEST_CASE("no promise is broken at any failpoint, by death, EIO or ENOSPC") {
  std::size_t runs = 0;
  for (const qmgr::FailpointInfo& info : qmgr::kFailpoints) {
    if (std::find(std::begin(kElsewhere), std::end(kElsewhere), info.point) != std::end(kElsewhere))
      continue;
    for (FailAction action : {FailAction::kill, FailAction::io_error, FailAction::no_space}) {
      if (action != FailAction::kill && !info.can_fail) continue;
      for (std::uint32_t nth = 1; nth <= kTimesMax; ++nth) {
        INFO(info.name << ", action " << static_cast<int>(action) << ", time " << nth);
        bool reached = try_one({info.point, action, nth});
        REQUIRE((reached || nth > 1));  // a point that is never reached tests nothing
        if (!reached) break;
        ++runs;
      }
    }
  }
  std::printf("%zu runs at %zu failpoints\n", runs, qmgr::kFailpoints.size() - 1);
  REQUIRE(runs > 100);
}

TEST_CASE("failpoints stand in the table in their own order, with names of their own") {
  for (std::size_t i = 0; i < qmgr::kFailpoints.size(); ++i) {
    REQUIRE(static_cast<std::size_t>(qmgr::kFailpoints[i].point) == i);
    for (std::size_t j = 0; j < i; ++j)
      REQUIRE(qmgr::kFailpoints[i].name != qmgr::kFailpoints[j].name);
  }
}
