#include "postwain/dkim/rotation_plan.h"

#include <algorithm>
#include <optional>

namespace postwain::tool {

using authentication::dkim::Algorithm;

namespace {

// Of the algorithm, what counts: it signs, or is to.
std::vector<std::size_t> counting_keys(const std::vector<OwnKey>& keys, const std::string& domain,
                                       Algorithm algorithm) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (keys[i].entry.domain == domain && keys[i].algorithm == algorithm &&
        keys[i].role != KeyRole::old)
      out.push_back(i);
  return out;
}

std::optional<std::size_t> newest_key(const std::vector<OwnKey>& keys,
                                      const std::vector<std::size_t>& numbers) {
  if (numbers.empty()) return std::nullopt;
  std::size_t newest = numbers.front();
  for (std::size_t number : numbers)
    if (is_newer_key(keys, number, newest)) newest = number;
  return newest;
}

RotationWrite& write_of(std::vector<RotationWrite>& writes, const std::string& file) {
  auto found = std::find_if(writes.begin(), writes.end(),
                            [&](const RotationWrite& write) { return write.file == file; });
  if (found != writes.end()) return *found;
  writes.push_back({file, {}, {}});
  return writes.back();
}

}  // namespace

RotationPlan plan_rotation(const std::vector<OwnKey>& keys, const std::string& domain) {
  RotationPlan plan;
  // What ends in another file than its successor begins in ends after that.
  std::vector<RotationWrite> later;
  for (Algorithm algorithm : {Algorithm::rsa_sha256, Algorithm::ed25519_sha256}) {
    std::vector<std::size_t> numbers = counting_keys(keys, domain, algorithm);
    auto newest = newest_key(keys, numbers);
    if (!newest) continue;
    const OwnKey& stays = keys[*newest];
    bool changes = !stays.entry.signs;
    if (changes) write_of(plan.writes, stays.entry.origin.file).begin.push_back(*newest);
    for (std::size_t number : numbers) {
      if (number == *newest || !keys[number].entry.signs) continue;
      const std::string& file = keys[number].entry.origin.file;
      bool together = stays.entry.signs || file == stays.entry.origin.file;
      write_of(together ? plan.writes : later, file).end.push_back(number);
      changes = true;
    }
    (changes ? plan.staying : plan.without_next).push_back(*newest);
  }
  plan.writes.insert(plan.writes.end(), later.begin(), later.end());
  return plan;
}

}  // namespace postwain::tool
