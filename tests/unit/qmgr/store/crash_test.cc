// A process that is killed in the middle of commits: everything it had acknowledged is there.
#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/unit/store/store_under_test.h"

using namespace postwain;
using namespace postwain::qmgr;

namespace {

// One value, or rows: in turn.
NewMessage message_of(std::uint64_t id) {
  test::AsCompact as_compact(id % 2 == 0);
  return test::make_message(id, {"a@example.org", "b@example.org"});
}

// Commits groups of five and tells the last id of each group after its commit. Never returns.
[[noreturn]] void commit_for_ever(const std::string& path, std::uint64_t first, int tell) {
  auto store = SqliteStore::open(path);
  if (!store) ::_exit(3);
  BatchWriter writer(**store, nullptr);
  Maintenance& upkeep = (*store)->maintenance();
  for (std::uint64_t id = first;;) {
    Batch batch;
    for (int i = 0; i < 5; ++i, ++id) {
      batch.accepts.push_back(std::make_unique<AcceptRequest>());
      batch.accepts.back()->submission.message = message_of(id);
      batch.accepts.back()->due = test::at(0);
    }
    Batch written;
    if (!writer.write(batch, written)) ::_exit(6);
    std::uint64_t last = id - 1;
    if (::write(tell, &last, sizeof last) != sizeof last) ::_exit(7);
    if (upkeep.log_bytes() > 200000 && !upkeep.checkpoint(false)) ::_exit(8);
  }
}

}  // namespace

TEST_CASE("acknowledged messages survive SIGKILL at any moment") {
  test::TempFolder folder;
  std::uint64_t acknowledged = 0;
  std::uint64_t next = 1;
  // On a machine that is busy a round may be over before anything is committed.
  for (int round = 0; round < 12 || (acknowledged <= 50 && round < 600); ++round) {
    int pipe_ends[2];
    REQUIRE(::pipe(pipe_ends) == 0);
    pid_t child = ::fork();
    if (child == 0) {
      ::close(pipe_ends[0]);
      commit_for_ever(folder.db(), next, pipe_ends[1]);
    }
    ::close(pipe_ends[1]);
    ::usleep(static_cast<useconds_t>(15000 + round % 12 * 3700));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    std::uint64_t last = 0;
    while (::read(pipe_ends[0], &last, sizeof last) == sizeof last) acknowledged = last;
    ::close(pipe_ends[0]);

    test::StoreUnderTest store(folder.db());
    REQUIRE(*store.database().ask("PRAGMA quick_check") == "ok");
    Counts counts;
    mail::QueueId cursor;
    mail::QueueId newest = *store->scan().last_id();
    while (auto end = *store.walk().count(cursor, newest, 100000, counts)) cursor = *end;
    INFO("round " << round << ": acknowledged " << acknowledged << ", found " << counts.messages);
    REQUIRE(counts.messages >= static_cast<std::int64_t>(acknowledged));
    REQUIRE(counts.messages <= static_cast<std::int64_t>(acknowledged) + 5);
    REQUIRE(counts.recipients() == 2 * counts.messages);
    next = newest.value + 1;
    acknowledged = newest.value;
  }
  REQUIRE(acknowledged > 50);
}
