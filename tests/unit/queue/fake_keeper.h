// The keepers of several nodes over one table in memory. Jobs run when the test says so, on its own
// thread.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "qmgr/store/keeper_service.h"

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

class FakeKeeper final : public KeeperService, private KeeperTables {
 public:
  FakeKeeper(RequestRows& rows, std::uint8_t self) : requests_(rows, self) {}

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
  RequestTable& requests() override { return requests_; }

  FakeRequests requests_;
  std::deque<Job> jobs_;
};

}  // namespace postwain::qmgr::test
