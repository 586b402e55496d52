#include "postwain/sendmail/drop_turns.h"

#include <algorithm>

namespace postwain::tool {

void DropTurns::add(std::uint32_t owner, std::string name) {
  auto found = by_owner_.find(owner);
  if (found == by_owner_.end()) {
    if (by_owner_.size() >= kTurnsOwnersMax) return;
    found = by_owner_.try_emplace(owner).first;
  }
  if (found->second.size() < kPickupAtOnce) found->second.push_back(std::move(name));
}

std::vector<std::string> DropTurns::take() {
  std::vector<std::string> out;
  bool any = true;
  for (std::size_t turn = 0; any && out.size() < kPickupAtOnce; ++turn) {
    any = false;
    for (auto& [owner, names] : by_owner_) {
      if (turn >= names.size() || out.size() >= kPickupAtOnce) continue;
      out.push_back(std::move(names[turn]));
      any = true;
    }
  }
  by_owner_.clear();
  return out;
}

bool DropRetries::may_try(const std::string& name, MonoTime now) const {
  auto found = waiting_.find(name);
  return found == waiting_.end() || found->second.next <= now;
}

bool DropRetries::refused(const std::string& name, Duration age, MonoTime now) {
  auto found = waiting_.find(name);
  if (found == waiting_.end()) {
    if (waiting_.size() >= kDropRetriesMax) return false;
    found = waiting_.try_emplace(name).first;
  }
  Entry& entry = found->second;
  entry.next = now + entry.pause;
  entry.pause = std::min(entry.pause * 2, kDropPauseMax);
  return ++entry.tries >= kDropTriesMin && age >= kDropTimeout;
}

void DropRetries::keep_only_recent(MonoTime now) {
  std::erase_if(waiting_,
                [now](const auto& one) { return one.second.next + 2 * kDropPauseMax < now; });
}

}  // namespace postwain::tool
