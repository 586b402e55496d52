// The writer thread: answers come after the commit, in order; settlements ride along; a stop
// commits what waits.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "qmgr/store/writing/store_worker.h"
#include "tests/unit/store/store_under_test.h"

using namespace postwain;
using namespace postwain::qmgr;
using test::at;
using test::make_message;

namespace {

struct Rig {
  explicit Rig(const std::string& folder)
      : Rig(SqliteStore::open(folder + "/queue.db").take(), ContentFolder(folder + "/content")) {}
  explicit Rig(const std::shared_ptr<test::MemoryState>& state)
      : Rig(std::make_unique<test::MemoryStore>(state), ContentFolder("/nowhere")) {}
  Rig(std::unique_ptr<QueueStore> store, ContentFolder files)
      : thread(loop, std::move(store), std::move(files),
               {[this](StoreTrouble now) {
                  trouble = now;
                  troubles.push_back(now);
                },
                [this](const StoreError&) { broken = true; }},
               std::chrono::milliseconds(5)) {}

  void accept(std::uint64_t id, std::function<void(AcceptEnd)> done, std::size_t more = 0) {
    auto request = std::make_unique<AcceptRequest>();
    NewMessage& message = request->submission.message;
    message = make_message(id, {"a@example.org"});
    message.content.append(more, 'x');
    message.info.size = message.content.size();
    request->due = at(0);
    request->done = [done](AcceptRequest& r) { done(r.end); };
    thread.accept(std::move(request));
  }
  void remove(std::uint64_t id, std::function<void(const Settled&)> done) {
    auto request = std::make_unique<SettleRequest>();
    request->settlement.id = mail::QueueId{id};
    RecipientChange change;
    change.kind = ChangeKind::remove;
    request->settlement.changes.push_back(change);
    request->done = [done](SettleRequest& r) { done(r.settled); };
    thread.settle(std::move(request));
  }
  void defer(std::uint64_t id, std::function<void(const Settled&)> done) {
    auto request = std::make_unique<SettleRequest>();
    request->settlement.id = mail::QueueId{id};
    request->settlement.changes.emplace_back().destination = "mx:example.org";
    request->done = [done](SettleRequest& r) { done(r.settled); };
    thread.settle(std::move(request));
  }
  // False: it is not true after half a minute.
  bool wait_until(const std::function<bool()>& is_true,
                  Duration every = std::chrono::milliseconds(5)) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    bool is = false;
    net::Timer look(loop);
    look.repeat(every, [&] {
      is = is_true();
      if (is || std::chrono::steady_clock::now() >= deadline) loop.stop();
    });
    loop.run();
    return is;
  }

  net::Loop loop;
  StoreTrouble trouble = StoreTrouble::none;
  std::vector<StoreTrouble> troubles;  // all that were told
  bool broken = false;
  StoreWorker thread;
};

std::vector<std::string> order_while_commits_pause(Rig& rig) {
  rig.thread.set_past_data(20);
  rig.thread.set_pressure(100000, 90);
  std::vector<std::string> order;
  rig.accept(1, [&](AcceptEnd) {
    order.emplace_back("first");
    rig.accept(2, [&](AcceptEnd) {
      order.emplace_back("second");
      rig.thread.set_past_data(1);
      rig.accept(3, [&](AcceptEnd) {
        // From here on nothing pauses.
        rig.accept(4, [&](AcceptEnd) {
          order.emplace_back("fourth");
          rig.loop.stop();
        });
      });
    });
    rig.thread.read([&](QueueStore&) { return [&] { order.emplace_back("read"); }; });
  });
  rig.loop.run();
  return order;
}

std::size_t count(const std::string& folder) {
  test::StoreUnderTest store(folder + "/queue.db");
  return store.walk().list({}, mail::QueueId{INT64_MAX}, 10000, 100000)->parts.size();
}

}  // namespace

TEST_CASE("every request is answered once, duplicates with the same answer, in order") {
  test::TempFolder folder;
  {
    Rig rig(folder.path());
    std::vector<std::uint64_t> answered;
    rig.thread.set_past_data(20);
    for (std::uint64_t id = 1; id <= 600; ++id)
      rig.accept(id, [&, id](AcceptEnd end) {
        REQUIRE(end == AcceptEnd::stored);
        answered.push_back(id);
        if (answered.size() == 600)
          rig.accept(5, [&](AcceptEnd again) {
            REQUIRE(again == AcceptEnd::duplicate);
            rig.loop.stop();
          });
      });
    rig.loop.run();
    REQUIRE(answered.size() == 600);
    REQUIRE(std::is_sorted(answered.begin(), answered.end()));
    REQUIRE(rig.thread.waiting() == 0);
    rig.thread.finish();
  }
  REQUIRE(count(folder.path()) == 600);
}

TEST_CASE("a settlement rides for at most 50 ms, and reads see what was committed before") {
  test::TempFolder folder;
  Rig rig(folder.path());
  auto start = std::chrono::steady_clock::now();
  std::vector<std::string> order;
  rig.accept(1, [&](AcceptEnd) {
    order.emplace_back("accepted");
    rig.remove(1, [&](const Settled& settled) {
      order.emplace_back("removed");
      REQUIRE(settled.message_removed);
      rig.thread.read([&](QueueStore& store) -> StoreWorker::Completion {
        bool there = *QueueReader(store).has_message(mail::QueueId{1});
        return [&, there] {
          order.emplace_back(there ? "there" : "gone");
          rig.loop.stop();
        };
      });
    });
  });
  rig.loop.run();
  REQUIRE(order == std::vector<std::string>{"accepted", "removed", "gone"});
  REQUIRE(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
  rig.thread.finish();
}

TEST_CASE("while commits pause, reads and a lone session do not") {
  // A thread that a busy machine wakes too late finds the pause of 20 ms over, and writes before it
  // reads. So one time of many is enough; a read that pauses comes last each time.
  const std::vector<std::string> wanted = {"first", "read", "second", "fourth"};
  std::vector<std::string> order;
  for (int i = 0; i < 50 && order != wanted; ++i) {
    test::TempFolder folder;
    Rig rig(folder.path());
    order = order_while_commits_pause(rig);
  }
  CHECK(order == wanted);
}

TEST_CASE("commits that pause do not keep a store from its end") {
  test::TempFolder folder;
  Rig rig(folder.path());
  std::vector<std::string> order = order_while_commits_pause(rig);
  CHECK(order.back() == "fourth");
  rig.accept(5, [&](AcceptEnd end) { order.push_back(end == AcceptEnd::stored ? "fifth" : "?"); });
  rig.thread.set_past_data(20);
  rig.accept(6, [&](AcceptEnd end) { order.push_back(end == AcceptEnd::stored ? "sixth" : "?"); });
  rig.thread.finish();
  CHECK(order.back() == "sixth");
}

TEST_CASE("finish commits what still rides") {
  test::TempFolder folder;
  {
    Rig rig(folder.path());
    bool stored = false;
    rig.accept(1, [&](AcceptEnd) {
      stored = true;
      rig.loop.stop();
    });
    rig.loop.run();
    REQUIRE(stored);
    bool removed = false;
    rig.remove(1, [&](const Settled&) { removed = true; });
    rig.thread.finish();
    REQUIRE(removed);
  }
  REQUIRE(count(folder.path()) == 0);
}

TEST_CASE("on a full disk what only removes is written, and all the rest when there is room") {
  auto state = std::make_shared<test::MemoryState>();
  Rig rig(state);
  std::size_t stored = 0;
  for (std::uint64_t id : {1, 2, 3})
    rig.accept(id, [&](AcceptEnd) {
      if (++stored == 3) rig.loop.stop();
    });
  rig.loop.run();
  // Between two commits nobody else touches the state.
  auto set_no_room = [&](bool no_room) {
    rig.thread.read([&, no_room](QueueStore&) {
      state->no_room = no_room;
      return [&] { rig.loop.stop(); };
    });
    rig.loop.run();
  };
  set_no_room(true);
  std::vector<std::string> order;
  rig.accept(9, [&](AcceptEnd end) {
    order.emplace_back(end == AcceptEnd::full ? "refused" : "?");
    rig.remove(1, [&](const Settled& settled) {
      order.emplace_back(settled.message_removed ? "removed" : "?");
      rig.loop.stop();
    });
  });
  rig.loop.run();
  CHECK(rig.trouble == StoreTrouble::full);
  CHECK(order == std::vector<std::string>{"refused", "removed"});

  // A deferral has to wait; nothing of it is lost.
  auto deferral = std::make_unique<SettleRequest>();
  deferral->settlement.id = mail::QueueId{2};
  deferral->settlement.changes.emplace_back();
  deferral->settlement.changes.back().destination = "mx:example.org";
  deferral->settlement.changes.back().attempts = 7;
  deferral->done = [&](SettleRequest& r) {
    order.emplace_back(r.settled.changed.size() == 1 ? "deferred" : "?");
    rig.loop.stop();
  };
  rig.thread.settle(std::move(deferral));
  rig.remove(3, [&](const Settled&) { rig.loop.stop(); });
  rig.loop.run();
  CHECK(order.size() == 2);
  set_no_room(false);
  rig.thread.retry_soon();
  rig.loop.run();
  CHECK(order.back() == "deferred");
  rig.thread.finish();
  CHECK(rig.trouble == StoreTrouble::none);
  CHECK(state->recipients.size() == 1);
  CHECK(state->recipients.begin()->second.attempts == 7);
}

TEST_CASE("what waited for room is written in order, a few at a time, where the log is small") {
  constexpr std::size_t kWaiting = 2 * kKeptAtOnce + 7;
  auto state = std::make_shared<test::MemoryState>();
  state->log_room = kKeptAtOnce;
  Rig rig(state);
  std::size_t stored = 0;
  for (std::uint64_t id = 1; id <= kWaiting; ++id)
    rig.accept(id, [&](AcceptEnd) {
      if (++stored == kWaiting) rig.loop.stop();
    });
  rig.loop.run();
  std::vector<std::uint64_t> deferred;
  for (std::uint64_t id = 1; id <= kWaiting; ++id)
    rig.defer(id, [&, id](const Settled& settled) {
      REQUIRE(settled.changed.size() == 1);
      deferred.push_back(id);
    });
  CHECK(rig.wait_until([&] { return deferred.size() == kWaiting; }));
  CHECK(std::is_sorted(deferred.begin(), deferred.end()));
  CHECK(rig.wait_until([&] { return rig.trouble == StoreTrouble::none; }));
  rig.thread.finish();
  CHECK(rig.troubles.front() == StoreTrouble::full);
  CHECK(rig.thread.unrecorded() == 0);
}

TEST_CASE("once a full queue has left, its file is short, though nothing else happens") {
  constexpr std::size_t kMessages = 200;
  constexpr std::uintmax_t kLong = 10U << 20;
  constexpr std::uintmax_t kShort = 6U << 20;  // 1024 free pages are not worth the work
  test::TempFolder folder;
  Rig rig(folder.path());
  std::size_t stored = 0;
  for (std::uint64_t id = 1; id <= kMessages; ++id)
    rig.accept(
        id, [&](AcceptEnd end) { stored += end == AcceptEnd::stored ? 1 : 0; }, 64U << 10);
  auto file = [&] { return std::filesystem::file_size(folder.db()); };
  REQUIRE(rig.wait_until([&] { return stored == kMessages && file() > kLong; }));
  std::size_t removed = 0;
  for (std::uint64_t id = 1; id <= kMessages; ++id)
    rig.remove(id, [&](const Settled& settled) { removed += settled.message_removed ? 1 : 0; });
  REQUIRE(rig.wait_until([&] { return removed == kMessages; }));
  CHECK(rig.wait_until([&] { return file() < kShort; }));
  CHECK(rig.wait_until([&] { return std::filesystem::file_size(folder.db() + "-wal") == 0; }));
  rig.thread.finish();
  CHECK_FALSE(rig.broken);
}

TEST_CASE("room is given back step by step to the end, also where a step found no room itself") {
  auto state = std::make_shared<test::MemoryState>();
  state->no_room = true;
  state->free_steps = 3;
  Rig rig(state);
  CHECK(rig.wait_until([&] { return rig.trouble == StoreTrouble::full; }));
  // Between two commits nobody else touches the state.
  int steps = -1;
  int checkpoints = -1;
  auto look = [&] {
    rig.thread.read([&](QueueStore&) {
      state->no_room = false;
      return [&, left = state->free_steps, done = state->whole_checkpoints] {
        steps = left;
        checkpoints = done;
      };
    });
    return steps == 0 && checkpoints == 1;
  };
  // A look is work, and room is given back where there is none.
  CHECK(rig.wait_until(look, 10 * kIdleCheckpoint));
  CHECK(rig.trouble == StoreTrouble::none);
  rig.thread.finish();
}

TEST_CASE("a store that is away refuses for now, keeps what happened, and is asked again") {
  const StoreError::Kind kind = GENERATE(StoreError::Kind::away, StoreError::Kind::again);
  auto state = std::make_shared<test::MemoryState>();
  auto made = std::make_unique<test::MemoryStore>(state);
  test::MemoryStore& store = *made;
  Rig rig(std::move(made), ContentFolder("/nowhere"));
  rig.accept(1, [&](AcceptEnd) { rig.loop.stop(); });
  rig.loop.run();
  auto fail = [&](std::optional<StoreError::Kind> how) {
    rig.thread.read([&, how](QueueStore&) {
      store.fail_commits(how);
      return [&] { rig.loop.stop(); };
    });
    rig.loop.run();
  };
  fail(kind);
  std::optional<AcceptEnd> refused;
  rig.accept(2, [&](AcceptEnd end) {
    refused = end;
    rig.loop.stop();
  });
  rig.loop.run();
  // Certainly not stored, and no word of a full disk.
  CHECK(refused == AcceptEnd::failed);
  CHECK(rig.trouble == StoreTrouble::away);
  bool removed = false;
  rig.remove(1, [&](const Settled& settled) {
    removed = settled.message_removed;
    rig.loop.stop();
  });
  fail(kind);
  CHECK_FALSE(removed);
  fail(std::nullopt);
  rig.thread.retry_soon();
  if (!removed) rig.loop.run();
  CHECK(removed);
  rig.thread.finish();
  CHECK(rig.trouble == StoreTrouble::none);
  CHECK_FALSE(rig.broken);
  CHECK(state->messages.empty());
}

TEST_CASE(
    "a read that finds the store away is asked again when it is back, and nothing is broken") {
  const StoreError::Kind kind = GENERATE(StoreError::Kind::away, StoreError::Kind::again);
  Rig rig(std::make_shared<test::MemoryState>());
  int asked = 0;
  int answered = 0;
  read_then(
      rig.thread,
      [&asked, kind](QueueStore&) -> StoreResult<int> {
        if (++asked < 3) return StoreError{kind, "away (test)"};
        return asked;
      },
      [&](const StoreResult<int>& found) {
        REQUIRE(found.ok());
        answered = *found;
        rig.loop.stop();
      });
  rig.loop.run();
  CHECK(answered == 3);
  rig.thread.finish();
  CHECK_FALSE(rig.broken);
  CHECK(rig.trouble == StoreTrouble::none);
}

TEST_CASE("a store that is waited for counts as away until it answers") {
  auto made = std::make_unique<test::MemoryStore>(std::make_shared<test::MemoryState>());
  test::MemoryStore& store = *made;
  Rig rig(std::move(made), ContentFolder("/nowhere"));
  rig.thread.read([&](QueueStore&) {
    store.fall_silent();
    return [&] { rig.loop.stop(); };
  });
  rig.loop.run();
  std::optional<AcceptEnd> end;
  bool told_before = false;
  rig.accept(1, [&](AcceptEnd how) {
    end = how;
    told_before = rig.trouble == StoreTrouble::away;
    rig.loop.stop();
  });
  rig.loop.run();
  CHECK(end == AcceptEnd::stored);
  CHECK(told_before);
  rig.thread.finish();
  CHECK(rig.troubles == std::vector{StoreTrouble::away, StoreTrouble::none});
}

TEST_CASE("a read that fails otherwise is answered at once") {
  Rig rig(std::make_shared<test::MemoryState>());
  std::optional<StoreError::Kind> how;
  read_then(
      rig.thread,
      [](QueueStore&) -> StoreResult<int> {
        return StoreError{StoreError::Kind::damaged, "(test)"};
      },
      [&](const StoreResult<int>& found) {
        how = found.error().kind;
        rig.loop.stop();
      });
  rig.loop.run();
  CHECK(how == StoreError::Kind::damaged);
  rig.thread.finish();
  CHECK(rig.trouble == StoreTrouble::none);
}

TEST_CASE(
    "a store whose commit is in doubt, or that another process took over, is believed no more") {
  const StoreError::Kind kind = GENERATE(StoreError::Kind::unsure, StoreError::Kind::fenced);
  auto made = std::make_unique<test::MemoryStore>(std::make_shared<test::MemoryState>());
  made->fail_commits(kind);
  Rig rig(std::move(made), ContentFolder("/nowhere"));
  std::optional<AcceptEnd> end;
  rig.accept(2, [&](AcceptEnd how) {
    end = how;
    rig.loop.stop();
  });
  rig.loop.run();
  CHECK(end == AcceptEnd::unknown);
  rig.thread.finish();
  CHECK(rig.broken);
}
