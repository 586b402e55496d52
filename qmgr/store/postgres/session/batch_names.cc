#include "qmgr/store/postgres/session/batch_names.h"

#include <algorithm>
#include <set>
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
    if (counts_.at(batch) == count) batches.push_back(batch);
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
      if (--count->second == 0) counts_.erase(count);
      return true;
    });
    if (found->second.empty()) open_.erase(found);
  }
  for (const AttemptName& name : std::exchange(added_, {})) {
    open_[name.id].push_back({name.index, batch});
    ++counts_[batch];
    ++size_;
  }
}

void BatchNames::rolled_back() {
  added_.clear();
  ended_.clear();
}

bool BatchNames::any_in(std::uint64_t bags) const {
  return std::any_of(open_.begin(), open_.end(),
                     [bags](const auto& one) { return one.first.is_in(bags); });
}

}  // namespace postwain::qmgr
