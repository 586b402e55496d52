// A table of rates, and one node's way to it, in virtual time: answers come late, or not at all.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "qmgr/scheduling/shared_rates.h"

namespace postwain::qmgr::test {

class FakeRates final : public SharedRates {
 public:
  struct Asked {
    std::string key;
    cluster::Rate rate;
    Duration burst{};
  };

  bool shared = true;
  std::int64_t now = 0;                                // milliseconds, as those of the test
  std::int64_t delay = 20;                             // of an answer
  std::function<bool()> loses = [] { return false; };  // the answer that comes now
  std::vector<Asked> asked;                            // each call of wait()
  std::vector<std::string> taken;
  std::size_t without_step = 0;  // calls of take() for which no step was due

  bool is_shared() const override { return shared; }
  std::optional<Duration> wait(const std::string& key, const cluster::Rate& rate,
                               Duration burst) override {
    asked.push_back({key, rate, burst});
    Key& one = keys_[key];
    if (one.rate.steps != rate.steps || one.rate.per != rate.per) one.step.reset();
    one.rate = rate;
    one.burst = burst.count();
    if (one.step && *one.step + std::max<std::int64_t>(one.burst, 1000) < now) one.step.reset();
    if (one.step) return Duration(std::max<std::int64_t>(*one.step - now, 0));
    if (!one.answer_at) one.answer_at = now + delay;
    return std::nullopt;
  }
  void take(const std::string& key) override {
    Key& one = keys_[key];
    if (!one.step || *one.step > now) ++without_step;
    one.step.reset();
    taken.push_back(key);
  }

  // Time passes. True: an answer has come.
  bool advance(std::int64_t to) {
    now = to;
    bool any = false;
    for (auto& [name, one] : keys_) {
      if (!one.answer_at || *one.answer_at > now) continue;
      one.answer_at.reset();
      const std::int64_t from = std::max(one.free_from, now - one.burst);
      // A lost answer has been written all the same.
      one.free_from = from + gap(one.rate);
      if (loses()) {
        one.answer_at = now + 1000;
        continue;
      }
      one.step = from;
      any = true;
    }
    return any;
  }
  std::optional<std::int64_t> next_answer() const {
    std::optional<std::int64_t> out;
    for (const auto& [name, one] : keys_)
      if (one.answer_at && (!out || *one.answer_at < *out)) out = one.answer_at;
    return out;
  }
  std::size_t keys() const { return keys_.size(); }
  // Another node takes what comes next, up to that.
  void take_elsewhere(const std::string& key, std::int64_t until) { keys_[key].free_from = until; }

 private:
  struct Key {
    cluster::Rate rate;
    std::int64_t burst = 0;
    std::int64_t free_from = -1'000'000'000;
    std::optional<std::int64_t> step;
    std::optional<std::int64_t> answer_at;
  };
  static std::int64_t gap(const cluster::Rate& rate) {
    return (rate.per.count() + rate.steps - 1) / rate.steps;
  }
  std::map<std::string, Key> keys_;
};

}  // namespace postwain::qmgr::test
