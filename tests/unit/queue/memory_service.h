// The store of a queue under test: an engine in memory that works when the test says so, on the
// test's own thread. What was asked for is done in the order in which StoreWorker does it: a batch
// of writes in one transaction, then the reads, then everybody's answers.
#pragma once

#include <catch2/catch.hpp>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "qmgr/store/store_service.h"
#include "qmgr/store/writing/batch_writer.h"
#include "tests/memory_store/memory_store.h"

namespace postwain::qmgr::test {

class MemoryService final : public StoreService {
 public:
  explicit MemoryService(std::shared_ptr<MemoryState> state)
      : store_(std::move(state)),
        transfers_(store_.pieces() != nullptr ? store_.pieces()->transfers() : nullptr) {}

  void accept(std::unique_ptr<AcceptRequest> request) override {
    batch_.accepts.push_back(std::move(request));
  }
  void settle(std::unique_ptr<SettleRequest> request) override {
    batch_.settles.push_back(std::move(request));
  }
  using StoreService::write;
  void write(Fact fact, std::function<void()> done) override {
    batch_.facts.push_back({std::move(fact), std::move(done)});
  }
  void read(std::function<Completion(QueueStore&)> work) override {
    reads_.push_back(std::move(work));
  }
  // This store is never away.
  void read_when_there(Attempt work) override {
    reads_.push_back([work = std::move(work)](QueueStore& store) { return *work(store); });
  }
  std::shared_ptr<PieceTransfers> transfers() const override { return transfers_; }
  void finish() override { run(); }

  bool idle() const { return batch_.empty() && reads_.empty(); }
  // One turn: what was asked for before is done and answered. What the answers ask for waits.
  void turn() {
    std::vector<Completion> answers;
    Batch written;
    Batch batch = std::exchange(batch_, {});
    BatchWriter writer(store_, nullptr);
    if (!batch.empty()) REQUIRE(writer.write(batch, written).ok());
    for (auto& request : written.settles)
      answers.emplace_back([r = std::shared_ptr<SettleRequest>(std::move(request))] {
        if (r->done) r->done(*r);
      });
    for (auto& request : written.accepts)
      answers.emplace_back(
          [r = std::shared_ptr<AcceptRequest>(std::move(request))] { r->done(*r); });
    for (FactRequest& fact : written.facts)
      if (fact.done) answers.push_back(std::move(fact.done));
    for (auto& work : std::exchange(reads_, {}))
      if (Completion answer = work(store_)) answers.push_back(std::move(answer));
    for (Completion& answer : answers) answer();
  }
  // Until nothing is asked for any more.
  void run() {
    for (int turns = 0; !idle(); ++turns) {
      REQUIRE(turns < 10'000);
      turn();
    }
  }
  MemoryStore& store() { return store_; }

 private:
  MemoryStore store_;
  std::shared_ptr<PieceTransfers> transfers_;
  Batch batch_;
  std::vector<std::function<Completion(QueueStore&)>> reads_;
};

}  // namespace postwain::qmgr::test
