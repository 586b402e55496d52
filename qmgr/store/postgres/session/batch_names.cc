#include "qmgr/store/postgres/session/batch_names.h"

#include <algorithm>
#include <utility>

namespace postwain::qmgr {

namespace {

constexpr std::size_t kNameOctets = 12;

template <class Number>
void append_number(std::string& out, Number number) {
  for (std::size_t i = sizeof(Number); i-- > 0;)
    out += static_cast<char>(static_cast<unsigned char>(number >> (8 * i)));
}

std::uint64_t number_at(std::string_view bytes) {
  std::uint64_t number = 0;
  for (char c : bytes) number = number << 8 | static_cast<unsigned char>(c);
  return number;
}

}  // namespace

std::string bytes_of(const std::vector<AttemptName>& names) {
  std::string out;
  out.reserve(names.size() * kNameOctets);
  for (const AttemptName& name : names) {
    append_number(out, name.id.value);
    append_number(out, name.index);
  }
  return out;
}

std::optional<std::vector<AttemptName>> names_in(std::string_view bytes) {
  if (bytes.size() % kNameOctets != 0) return std::nullopt;
  std::vector<AttemptName> names;
  for (; !bytes.empty(); bytes.remove_prefix(kNameOctets)) {
    mail::QueueId id{number_at(bytes.substr(0, 8))};
    if (id.value == 0 || id.value > mail::QueueId::kLast) return std::nullopt;
    names.push_back({id, static_cast<std::uint32_t>(number_at(bytes.substr(8, 4)))});
  }
  return names;
}

void BatchNames::end_bags(std::uint64_t bags) {
  for (const auto& [id, open] : open_)
    if (id.is_in(bags)) end_all(id);
}

void BatchNames::close(std::int64_t batch) {
  drop_ended_at_once();
  if (batch % kCarriedAfter == 0) carry(batch);
}

void BatchNames::drop_ended_at_once() {
  std::unordered_map<mail::QueueId, std::vector<const Ended*>> ends;
  for (const Ended& one : ended_)
    if (one.after > 0) ends[one.name.id].push_back(&one);
  if (ends.empty()) return;
  std::vector<AttemptName> kept;
  for (std::size_t i = 0; i < added_.size(); ++i) {
    auto found = ends.find(added_[i].id);
    bool is_over = found != ends.end() &&
                   std::any_of(found->second.begin(), found->second.end(), [&](const Ended* one) {
                     return one->after > i && is_ended(*one, {added_[i].index, 0});
                   });
    if (!is_over) kept.push_back(added_[i]);
  }
  added_ = std::move(kept);
  for (Ended& one : ended_) one.after = 0;
}

void BatchNames::carry(std::int64_t batch) {
  std::size_t names = 0;
  for (const auto& [old, count] : counts_) {
    if (old > batch - kCarriedAfter) break;
    if (count.open == count.named) continue;
    if (names > 0 && names + count.open > kCarriedAtOnce) break;
    names += count.open;
    carried_.insert(old);
  }
  if (carried_.empty()) return;
  std::set<std::pair<std::uint64_t, std::uint32_t>> ending;
  std::set<std::uint64_t> ending_wholly;
  for (const Ended& one : ended_)
    if (one.all)
      ending_wholly.insert(one.name.id.value);
    else
      ending.insert({one.name.id.value, one.name.index});
  for (const auto& [id, all] : open_) {
    if (ending_wholly.count(id.value) > 0) continue;
    for (const Open& one : all)
      if (carried_.count(one.batch) > 0 && ending.count({id.value, one.index}) == 0)
        added_.push_back({id, one.index});
  }
}

std::map<std::int64_t, std::size_t> BatchNames::losses() const {
  std::map<std::int64_t, std::size_t> lost;
  // One that is said to have ended twice ends once.
  std::set<std::pair<std::uint64_t, std::uint32_t>> seen;
  for (const Ended& one : ended_) {
    auto found = open_.find(one.name.id);
    if (found == open_.end()) continue;
    for (const Open& open : found->second)
      if (is_ended(one, open) && seen.insert({one.name.id.value, open.index}).second)
        for (const Open& same : found->second)
          if (same.index == open.index) ++lost[same.batch];
  }
  return lost;
}

std::vector<std::int64_t> BatchNames::emptied() const {
  std::vector<std::int64_t> batches;
  for (const auto& [batch, count] : losses())
    if (counts_.at(batch).open == count && carried_.count(batch) == 0) batches.push_back(batch);
  batches.insert(batches.end(), carried_.begin(), carried_.end());
  return batches;
}

void BatchNames::committed(std::int64_t batch) {
  for (const Ended& one : std::exchange(ended_, {})) {
    auto found = open_.find(one.name.id);
    if (found == open_.end()) continue;
    std::erase_if(found->second, [&](const Open& open) {
      if (!is_ended(one, open)) return false;
      --size_;
      auto count = counts_.find(open.batch);
      if (--count->second.open == 0) counts_.erase(count);
      return true;
    });
    if (found->second.empty()) open_.erase(found);
  }
  for (std::int64_t old : carried_) counts_.erase(old);
  if (!carried_.empty())
    for (auto& [id, all] : open_)
      size_ -= std::erase_if(all, [&](const Open& one) { return carried_.count(one.batch) > 0; });
  carried_.clear();
  for (const AttemptName& name : std::exchange(added_, {})) {
    open_[name.id].push_back({name.index, batch});
    ++counts_[batch].open;
    ++counts_[batch].named;
    ++size_;
  }
}

void BatchNames::rolled_back() {
  added_.clear();
  ended_.clear();
  carried_.clear();
}

bool BatchNames::any_in(std::uint64_t bags) const {
  return std::any_of(open_.begin(), open_.end(),
                     [bags](const auto& one) { return one.first.is_in(bags); });
}

}  // namespace postwain::qmgr
