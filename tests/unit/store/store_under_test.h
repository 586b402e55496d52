// A store that a test of the port's contract runs on: each engine in turn, with the domain's
// readers and writers above it. Closed and opened again it must be the same queue.
#pragma once

#include <catch2/catch.hpp>

#include <map>
#include <memory>
#include <vector>

#include "qmgr/store/postgres/pg_store.h"
#include "qmgr/store/queue_reader.h"
#include "qmgr/store/queue_walk.h"
#include "qmgr/store/sqlite/sqlite_store.h"
#include "qmgr/store/writing/batch_writer.h"
#include "tests/memory_store/memory_store.h"
#include "tests/postgres_server/postgres_server.h"
#include "tests/unit/qmgr/support.h"

namespace postwain::qmgr::test {

enum class Engine { sqlite, memory, postgres };

// Those that the port's contract is asked of. Without PostgreSQL on this machine that engine is
// left out, and said to be.
inline std::vector<Engine> engines() {
  std::vector<Engine> all = {Engine::sqlite, Engine::memory};
  if (PostgresServer::get() != nullptr)
    all.push_back(Engine::postgres);
  else
    WARN("SKIPPED for the engine postgres: " << PostgresServer::why_not());
  return all;
}

class StoreUnderTest {
 public:
  explicit StoreUnderTest(Engine engine) : engine_(engine) { open(); }
  // SQLite's file at that place, for tests of what is in it.
  explicit StoreUnderTest(const std::string& path) : engine_(Engine::sqlite), path_(path) {
    open();
  }
  Database& database() { return static_cast<SqliteStore&>(*store_).database(); }

  void reopen() {
    store_.reset();
    open();
  }
  QueueStore* operator->() { return store_.get(); }
  QueueStore& operator*() { return *store_; }
  QueueReader reader() { return QueueReader(*store_); }
  QueueWalk walk() { return QueueWalk(*store_); }
  BatchWriter writer() { return BatchWriter(*store_, nullptr); }

  // One request, in a batch of its own; the request comes back with its answer.
  AcceptRequest put(Submission submission, WallTime due = at(0)) {
    Batch batch;
    batch.accepts.push_back(std::make_unique<AcceptRequest>());
    batch.accepts.front()->submission = std::move(submission);
    batch.accepts.front()->due = due;
    Batch written = write(std::move(batch));
    return std::move(*written.accepts.front());
  }
  AcceptEnd put(const NewMessage& message, WallTime due = at(0)) {
    return put(Submission{message, {}, {}, {}}, due).end;
  }
  SettleRequest try_settle(Settlement settlement) {
    Batch batch;
    batch.settles.push_back(std::make_unique<SettleRequest>());
    batch.settles.front()->settlement = std::move(settlement);
    Batch written = write(std::move(batch));
    return std::move(*written.settles.front());
  }
  Settled settle(Settlement settlement) {
    SettleRequest request = try_settle(std::move(settlement));
    REQUIRE(request.error.empty());
    return std::move(request.settled);
  }
  void note(std::vector<Fact> facts) {
    Batch batch;
    for (Fact& fact : facts) batch.facts.push_back({std::move(fact)});
    (void)write(std::move(batch));
  }
  // In one commit.
  void put_all(std::vector<NewMessage> messages, WallTime due = at(0)) {
    Batch batch;
    for (NewMessage& message : messages) {
      batch.accepts.push_back(std::make_unique<AcceptRequest>());
      batch.accepts.back()->submission.message = std::move(message);
      batch.accepts.back()->due = due;
    }
    for (const auto& request : write(std::move(batch)).accepts)
      REQUIRE(request->end == AcceptEnd::stored);
  }
  // What the file of that message has in it; of the others it does not matter.
  void set_body(std::uint64_t id, std::string body) {
    bodies_[mail::QueueId{id}] = std::move(body);
  }
  // The bodies of files come before their messages, where the store has them.
  void put_bodies(const Batch& batch) {
    if (store_->pieces() == nullptr) return;
    auto transfers = store_->pieces()->transfers();
    auto put = [&](const MessageInfo& info) {
      std::string body = bodies_[info.id];
      body.resize(info.size_of_file(), 'b');
      auto done = transfers->put(info.id, body.size(), [&body](std::size_t octets) {
        std::string next = body.substr(0, octets);
        body.erase(0, octets);
        return next;
      });
      REQUIRE((done.ok() && *done));
    };
    for (const auto& request : batch.accepts) {
      if (request->submission.message.info.in_file) put(request->submission.message.info);
      for (const NewMessage& part : request->submission.parts)
        if (part.info.in_file) put(part.info);
    }
  }
  Batch write(Batch batch) {
    put_bodies(batch);
    Batch written;
    REQUIRE(writer().write(batch, written).ok());
    REQUIRE(batch.empty());
    return written;
  }

  DuePage due(const std::string& destination, WallTime now, std::uint32_t limit,
              const StoreCursor& after = {}) {
    auto page = store_->waiting().due(destination, now, limit, after);
    REQUIRE(page.ok());
    return page.take();
  }
  std::optional<StoredMessage> message(std::uint64_t id) {
    auto found = reader().message(mail::QueueId{id}, 0, 1000);
    REQUIRE(found.ok());
    return found.take();
  }
  std::optional<std::string> content(std::uint64_t id, std::uint64_t offset = 0,
                                     std::size_t length = 1U << 20) {
    auto found = reader().content(mail::QueueId{id}, offset, length);
    REQUIRE(found.ok());
    return found.take();
  }
  bool is_compact(std::uint64_t id) {
    mail::QueueId one{id};
    return store_->compact().rests({&one, 1})->front().has_value();
  }

 private:
  void open() {
    if (engine_ == Engine::memory) {
      store_ = std::make_unique<MemoryStore>(state_);
      return;
    }
    if (engine_ == Engine::postgres) {
      if (!database_) database_ = std::make_unique<PostgresDatabase>();
      auto opened = PgStore::open(database_->options());
      if (!opened) FAIL(opened.error().text);
      store_ = opened.take();
      return;
    }
    auto opened = SqliteStore::open(path_.empty() ? folder_.db() : path_);
    if (!opened) FAIL(opened.error().text);
    store_ = opened.take();
  }

  Engine engine_;
  TempFolder folder_;
  std::string path_;
  std::unique_ptr<PostgresDatabase> database_;
  std::shared_ptr<MemoryState> state_ = std::make_shared<MemoryState>();
  std::unique_ptr<QueueStore> store_;
  std::map<mail::QueueId, std::string> bodies_;
};

inline RecipientChange removal(std::uint32_t index) {
  RecipientChange change;
  change.index = index;
  change.kind = ChangeKind::remove;
  return change;
}

}  // namespace postwain::qmgr::test
