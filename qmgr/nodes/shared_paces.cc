#include "qmgr/nodes/shared_paces.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "common/base/check.h"

namespace postwain::qmgr {

namespace {

constexpr Duration kPaceTidyPause = std::chrono::minutes(1);
constexpr Duration kPaceAskAgain = std::chrono::seconds(1);

std::vector<PaceTable::Wish> table_wishes(std::vector<cluster::PaceShares::Wish> wishes) {
  std::vector<PaceTable::Wish> out;
  for (cluster::PaceShares::Wish& one : wishes)
    out.push_back({std::move(one.key), one.burst, one.span, one.most});
  return out;
}

}  // namespace

static_assert(cluster::kPaceKeysAtOnce <= kPaceWishesMax);

SharedPaces::SharedPaces(net::Loop& loop, KeeperService& keeper, const SharedQueue::Self& self,
                         std::function<void()> changed)
    : loop_(loop),
      keeper_(keeper),
      self_(self),
      changed_(std::move(changed)),
      again_(loop),
      tidied_(mono_now()) {}

SharedPaces::~SharedPaces() {
  loop_.forget_turn_end(this);
}

// Rows that do not have this node are older than its life.
void SharedPaces::beat_answered(const BeatAnswer& answer) {
  const auto is_self = [this](const NodeStatus& node) {
    return node.row.id.value == self_.node && node.row.term.value == self_.term;
  };
  if (std::none_of(answer.nodes.begin(), answer.nodes.end(), is_self)) return;
  const bool some =
      std::any_of(answer.nodes.begin(), answer.nodes.end(), [&](const NodeStatus& node) {
        return node.row.state != cluster::NodeState::gone && !is_self(node);
      });
  const Others now = some ? Others::some : Others::none;
  if (std::exchange(others_, now) != now) {
    if (!some) shares_.clear();
    changed_();
  }
  look();
  if (some && mono_now() - tidied_ >= kPaceTidyPause) tidy();
}

std::optional<Duration> SharedPaces::wait(const std::string& key, const cluster::Rate& rate,
                                          Duration burst) {
  PW_CHECK(!key.empty() && key.size() <= kPaceKeyMax);
  const std::optional<Duration> left = shares_.wait(key, rate, burst, boot_now());
  look();
  return left;
}

void SharedPaces::take(const std::string& key) {
  shares_.take(key);
}

void SharedPaces::look() {
  if (others_ == Others::some && shares_.wants() && !again_.active())
    loop_.at_turn_end(this, [this] { ask(); });
}

void SharedPaces::ask() {
  if (others_ != Others::some || !shares_.wants()) return;
  keep_then(
      keeper_,
      [wishes = table_wishes(shares_.ask(boot_now()))](KeeperTables& tables) {
        return tables.paces().take(wishes);
      },
      [this](const StoreResult<std::vector<Duration>>& aheads) { answered(aheads); });
}

void SharedPaces::answered(const StoreResult<std::vector<Duration>>& aheads) {
  if (!aheads) {
    shares_.lost();
    return again_.start(kPaceAskAgain, [this] { look(); });
  }
  shares_.answered(*aheads, boot_now());
  changed_();
  look();
}

void SharedPaces::tidy() {
  tidied_ = mono_now();
  shares_.forget_idle(boot_now());
  keep_then(
      keeper_, [](KeeperTables& tables) { return tables.paces().sweep(); },
      [](const StoreStatus&) {});
}

}  // namespace postwain::qmgr
