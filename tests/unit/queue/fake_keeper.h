// The keepers of several nodes over one table in memory. Jobs run when the test says so, on its own
// thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "qmgr/history/history_block.h"
#include "tests/unit/queue/no_tables.h"

namespace postwain::qmgr::test {

// What lies in the database.
struct RequestRows {
  std::vector<NodeRequest> requests;
  std::vector<NodeAnswer> answers;
  std::optional<StoreError> trouble;  // that every call has
  bool full = false;                  // for requests
};

class FakeRequests final : public RequestTable {
 public:
  FakeRequests(RequestRows& rows, std::uint8_t self) : rows_(rows), self_(self) {}

  StoreResult<bool> ask(const NodeRequest& request) override {
    if (rows_.trouble) return *rows_.trouble;
    if (rows_.full) return false;
    rows_.requests.push_back(request);
    rows_.requests.back().from = self_;
    return true;
  }
  StoreResult<std::vector<NodeRequest>> take_requests(std::size_t most) override {
    if (rows_.trouble) return *rows_.trouble;
    return take(rows_.requests, most);
  }
  StoreStatus answer(const NodeAnswer& answer) override {
    if (rows_.trouble) return *rows_.trouble;
    rows_.answers.push_back(answer);
    return {};
  }
  StoreResult<std::vector<NodeAnswer>> take_answers() override {
    if (rows_.trouble) return *rows_.trouble;
    return take(rows_.answers, kAnswersAtOnce);
  }
  StoreStatus sweep() override { return {}; }

 private:
  template <class Row>
  std::vector<Row> take(std::vector<Row>& rows, std::size_t most) const {
    std::vector<Row> taken;
    std::vector<Row> left;
    for (Row& one : rows)
      (one.to == self_ && taken.size() < most ? taken : left).push_back(std::move(one));
    rows = std::move(left);
    return taken;
  }

  RequestRows& rows_;
  std::uint8_t self_;
};

// Blocks of history of several nodes in memory, searched as the database does it: in small steps.
struct HistoryRows {
  std::map<std::pair<std::int16_t, std::int64_t>, HistoryBlock> blocks;  // by node and number
  std::optional<StoreError> trouble;                                     // that every call has
};

class FakeHistoryBlocks final : public HistoryBlockTable {
 public:
  FakeHistoryBlocks(HistoryRows& rows, std::uint8_t self) : rows_(rows), self_(self) {}

  StoreResult<std::vector<Stored>> own(std::int64_t after, std::size_t most) override {
    if (rows_.trouble) return *rows_.trouble;
    std::vector<Stored> found;
    for (auto& [key, block] : rows_.blocks)
      if (key.first == self_ && key.second > after && found.size() < most)
        found.push_back({block.number, block.at, static_cast<std::int64_t>(block.data.size())});
    return found;
  }
  StoreStatus put(const HistoryBlock& block, std::int64_t replaces) override {
    if (rows_.trouble) return *rows_.trouble;
    if (replaces > 0)
      std::erase_if(rows_.blocks, [&](const auto& one) {
        return one.first.first == self_ && one.first.second >= replaces;
      });
    rows_.blocks.emplace(std::pair(std::int16_t{self_}, block.number), block);
    return {};
  }
  StoreStatus remove_own(std::int64_t up_to) override {
    std::erase_if(rows_.blocks, [&](const auto& one) {
      return one.first.first == self_ && one.first.second <= up_to;
    });
    return {};
  }
  StoreStatus remove_left(std::int64_t /*before*/) override { return {}; }
  StoreResult<std::vector<Last>> last_blocks() override {
    if (rows_.trouble) return *rows_.trouble;
    std::map<std::int16_t, std::int64_t> last;
    for (const auto& [key, block] : rows_.blocks) last[key.first] = key.second;
    std::vector<Last> found;
    for (const auto& [node, number] : last) found.push_back({node, number});
    return found;
  }
  StoreResult<Found> search(const Search& search) override {
    if (rows_.trouble) return *rows_.trouble;
    Found found;
    constexpr int kLookedAt = 5;
    int looked = 0;
    for (auto one = rows_.blocks.rbegin(); one != rows_.blocks.rend(); ++one) {
      const auto& [key, block] = *one;
      if (key.first != search.node || key.second >= search.below) continue;
      if (block.at < search.from || ++looked > kLookedAt) break;
      found.below = key.second;
      for (const FilterProbe& probe : search.probes)
        if (matches(block.filter, probe)) {
          found.blocks.push_back(block);
          break;
        }
    }
    return found;
  }

 private:
  HistoryRows& rows_;
  std::uint8_t self_;
};

class FakeKeeper final : public KeeperService, private NoTables {
 public:
  FakeKeeper(RequestRows& rows, std::uint8_t self) : FakeKeeper(rows, own_history_, self) {}
  FakeKeeper(HistoryRows& history, std::uint8_t self) : FakeKeeper(own_rows_, history, self) {}

  void post(Job job) override { jobs_.push_back(std::move(job)); }
  // All jobs, and those that come of them.
  void run() {
    while (!jobs_.empty()) {
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      if (Completion done = job(*this)) done();
    }
  }
  bool idle() const { return jobs_.empty(); }

 private:
  FakeKeeper(RequestRows& rows, HistoryRows& history, std::uint8_t self)
      : requests_(rows, self), history_(history, self) {}
  RequestTable& requests() override { return requests_; }
  HistoryBlockTable& history_blocks() override { return history_; }

  RequestRows own_rows_;  // where the test has none
  HistoryRows own_history_;
  FakeRequests requests_;
  FakeHistoryBlocks history_;
  std::deque<Job> jobs_;
};

}  // namespace postwain::qmgr::test
