// A keeper whose database is the target's own: it keeps to what the tables promise, since whoever
// reads the real rows (qmgr/store/postgres/keeper) brings them within these bounds, and to nothing
// beyond that.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/check.h"

#include "qmgr/cluster/place_shares.h"
#include "qmgr/store/keeper_service.h"
#include "tests/unit/queue/no_tables.h"

namespace postwain::fuzz {

class RequestsInMemory final : public qmgr::RequestTable {
 public:
  qmgr::StoreResult<bool> ask(const qmgr::NodeRequest& request) override {
    if (away) return qmgr::StoreError{qmgr::StoreError::Kind::away, "away"};
    if (full) return false;
    PW_CHECK(request.data.size() <= qmgr::kRequestMax);
    asked.push_back(request);
    return true;
  }
  qmgr::StoreResult<std::vector<qmgr::NodeRequest>> take_requests(std::size_t most) override {
    PW_CHECK(most > 0);
    return take(requests, std::min(most, qmgr::kRequestsAtOnce));
  }
  qmgr::StoreStatus answer(const qmgr::NodeAnswer& answer) override {
    if (away) return qmgr::StoreError{qmgr::StoreError::Kind::away, "away"};
    answered.push_back(answer);
    return {};
  }
  qmgr::StoreResult<std::vector<qmgr::NodeAnswer>> take_answers() override {
    return take(answers, qmgr::kAnswersAtOnce);
  }
  qmgr::StoreStatus sweep() override { return {}; }

  bool away = false;
  bool full = false;
  std::vector<qmgr::NodeRequest> requests;  // for this node, of others
  std::vector<qmgr::NodeAnswer> answers;
  std::vector<qmgr::NodeRequest> asked;  // what this node has written
  std::vector<qmgr::NodeAnswer> answered;

 private:
  template <class Row>
  qmgr::StoreResult<std::vector<Row>> take(std::vector<Row>& rows, std::size_t most) const {
    if (away) return qmgr::StoreError{qmgr::StoreError::Kind::away, "away"};
    const auto end = rows.begin() + static_cast<std::ptrdiff_t>(std::min(most, rows.size()));
    std::vector<Row> taken(std::make_move_iterator(rows.begin()), std::make_move_iterator(end));
    rows.erase(rows.begin(), end);
    return taken;
  }
};

class KeeperInMemory final : public qmgr::KeeperService, private qmgr::test::NoTables {
 public:
  explicit KeeperInMemory(RequestsInMemory& requests) : requests_(requests) {}

  void post(Job job) override { jobs_.push_back(std::move(job)); }
  // One job, whose answer is delivered at once.
  void run_one() {
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    if (Completion done = job(*this)) done();
  }
  void run() {
    while (!jobs_.empty()) run_one();
  }

 private:
  qmgr::RequestTable& requests() override { return requests_; }

  RequestsInMemory& requests_;
  std::deque<Job> jobs_;
};

// Claims of this node, under the lock of their key: what others have is told with each call.
class ClaimsInMemory {
 public:
  qmgr::cluster::Claim claim(const qmgr::cluster::PlaceShares::Wish& wish, std::uint64_t others) {
    qmgr::cluster::Claim& claim = claims_[wish.key];
    claim =
        qmgr::cluster::regrant(claim, wish.keep, wish.wanted, wish.limit, wish.kept_free, others);
    return claim;
  }
  std::vector<std::pair<std::string, qmgr::cluster::Claim>> owned() const {
    std::vector<std::pair<std::string, qmgr::cluster::Claim>> out;
    for (const auto& [key, claim] : claims_)
      if (claim.places > 0) out.emplace_back(key, claim);
    return out;
  }
  void drop() { claims_.clear(); }

 private:
  std::map<std::string, qmgr::cluster::Claim> claims_;
};

}  // namespace postwain::fuzz
