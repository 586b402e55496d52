// Rates that hold over all nodes (qmgr/cluster/pace_shares.h): what the scheduler and the ledger of
// connections want of them is asked of the keeper at the end of the turn in which they want it, one
// call at a time, and they are told when something is known. All of it on the loop.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "common/net/loop.h"

#include "qmgr/cluster/pace_shares.h"
#include "qmgr/scheduling/shared_rates.h"
#include "qmgr/store/beat_service.h"
#include "qmgr/store/keeper_service.h"
#include "qmgr/store/shared_queue.h"

namespace postwain::qmgr {

class SharedPaces final : public SharedRates {
 public:
  // changed: an answer has come, or another node, or this one is alone now: whoever waits looks
  // again. Before the first beat is answered rates are shared, and nothing is known of them. loop
  // and keeper outlive it, and what the keeper has under way is never delivered after its end.
  SharedPaces(net::Loop& loop, KeeperService& keeper, const SharedQueue::Self& self,
              std::function<void()> changed);
  ~SharedPaces() override;
  SharedPaces(const SharedPaces&) = delete;
  SharedPaces& operator=(const SharedPaces&) = delete;

  void beat_answered(const BeatAnswer& answer);

  bool is_shared() const override { return others_ != Others::none; }
  std::optional<Duration> wait(const std::string& key, const cluster::Rate& rate,
                               Duration burst) override;
  void take(const std::string& key) override;

 private:
  enum class Others : std::uint8_t { unknown, none, some };
  void look();  // whether something is to be asked now
  void ask();
  void answered(const StoreResult<std::vector<Duration>>& aheads);
  void tidy();

  net::Loop& loop_;
  KeeperService& keeper_;
  SharedQueue::Self self_;
  std::function<void()> changed_;
  cluster::PaceShares shares_;
  Others others_ = Others::unknown;
  net::Timer again_;  // runs while nothing is asked, behind a call that failed
  MonoTime tidied_{};
};

}  // namespace postwain::qmgr
