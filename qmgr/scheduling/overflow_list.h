// The overflow list: compact messages that found no place in the working set, by destination, in
// the order in which they came. Bounded; a message that finds no place here either is normalised.
// Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/mail/queue_id.h"

namespace postwain::qmgr {

constexpr std::size_t kOverflowMax = 50000;

class OverflowList {
 public:
  struct Entry {
    mail::QueueId id;
    std::uint32_t recipients = 0;  // of that destination, about
  };

  // False: there are too many.
  bool add(const std::string& destination, Entry entry) {
    if (size_ >= kOverflowMax) return false;
    waiting_[destination].push_back(entry);
    ++size_;
    return true;
  }
  // The first ones, with so many recipients or a few more.
  std::vector<Entry> take(const std::string& destination, std::size_t recipients) {
    std::vector<Entry> out;
    auto found = waiting_.find(destination);
    if (found == waiting_.end()) return out;
    std::deque<Entry>& list = found->second;
    for (std::size_t sum = 0; sum < recipients && !list.empty(); list.pop_front()) {
      sum += list.front().recipients;
      out.push_back(list.front());
    }
    size_ -= out.size();
    if (list.empty()) waiting_.erase(found);
    return out;
  }
  // What was taken and found no place goes back to the front.
  void give_back(const std::string& destination, const std::vector<Entry>& entries) {
    if (entries.empty()) return;
    std::deque<Entry>& list = waiting_[destination];
    list.insert(list.begin(), entries.begin(), entries.end());
    size_ += entries.size();
  }
  // Those of these bags are somebody else's from now on.
  void drop(std::uint64_t bags) {
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      size_ -= std::erase_if(it->second, [bags](const Entry& one) { return one.id.is_in(bags); });
      it = it->second.empty() ? waiting_.erase(it) : std::next(it);
    }
  }
  bool waits(const std::string& destination) const { return waiting_.count(destination) > 0; }
  std::size_t size() const { return size_; }

 private:
  std::unordered_map<std::string, std::deque<Entry>> waiting_;
  std::size_t size_ = 0;
};

}  // namespace postwain::qmgr
