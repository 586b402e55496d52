#include "qmgr/nodes/shared_accounts.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "qmgr/cluster/bounded_key.h"

namespace postwain::qmgr {

namespace {

std::string account_key(const AccountLimits::News& news) {
  const bool messages = news.counted == AccountLimits::Counted::messages;
  return cluster::bounded_key(messages ? "account:m:" : "account:r:", news.of.account, kPaceKeyMax);
}

std::vector<PaceTable::Wish> wishes_of(const std::vector<AccountLimits::News>& news) {
  std::vector<PaceTable::Wish> out;
  out.reserve(news.size());
  for (const AccountLimits::News& one : news)
    out.push_back({account_key(one), Duration{}, one.of.span, one.most});
  return out;
}

}  // namespace

SharedAccounts::SharedAccounts(KeeperService& keeper, AccountLimits& limits)
    : keeper_(keeper), limits_(limits) {
  limits_.tell_to([this] { tell(); });
}

SharedAccounts::~SharedAccounts() {
  limits_.tell_to(nullptr);
}

void SharedAccounts::beat_answered(const BeatAnswer& answer) {
  const auto nodes = std::count_if(
      answer.nodes.begin(), answer.nodes.end(),
      [](const NodeStatus& node) { return node.row.state != cluster::NodeState::gone; });
  shared_ = nodes > 1;
  failed_ = false;
  tell();
}

void SharedAccounts::tell() {
  if (!shared_ || telling_ || failed_) return;
  std::vector<PaceTable::Wish> wishes = wishes_of(limits_.tell(kPaceWishesMax, mono_now()));
  if (wishes.empty()) return;
  telling_ = true;
  keep_then(
      keeper_,
      [wishes = std::move(wishes)](KeeperTables& tables) { return tables.paces().take(wishes); },
      [this](const StoreResult<std::vector<Duration>>& ahead) {
        telling_ = false;
        failed_ = !ahead;
        if (ahead)
          limits_.told(*ahead, mono_now());
        else
          limits_.lost(mono_now());
        tell();
      });
}

}  // namespace postwain::qmgr
