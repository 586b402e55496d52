// How much of the queue waits for which domain, and for how long: what qshape(1) shows of Postfix.
// Counted recipient by recipient in one walk through the store; bounded in what it remembers. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/time.h"

namespace postwain::qmgr {

// Recipients by the age of their message, in minutes: up to 5, up to 10, 20 … 1280, older.
constexpr std::array<int, 9> kShapeMinutes = {5, 10, 20, 40, 80, 160, 320, 640, 1280};
constexpr std::size_t kShapeAges = kShapeMinutes.size() + 1;
constexpr std::size_t kShapeDomains = 50'000;  // told apart; those beyond are counted together

struct ShapeRow {
  std::string domain;
  std::uint64_t recipients = 0;
  std::array<std::uint64_t, kShapeAges> ages{};
  WallTime oldest = WallTime::max();

  void add(const ShapeRow& other);
};

class QueueShape {
 public:
  explicit QueueShape(WallTime now) : now_(now) {}

  // address: of a recipient whose message came then.
  void add(std::string_view address, WallTime received);
  // Those with the most recipients.
  std::vector<ShapeRow> top(std::size_t limit) const;
  // All the others together; its domain is empty. domains: how many they are, at least.
  struct Rest {
    ShapeRow row;
    std::size_t domains = 0;
  };
  Rest rest(std::size_t limit) const;
  ShapeRow all() const;

 private:
  std::vector<const ShapeRow*> sorted() const;

  WallTime now_;
  std::unordered_map<std::string, ShapeRow> rows_;
  ShapeRow beyond_;  // of domains there was no room for
  std::string last_domain_;
  ShapeRow* last_ = nullptr;  // a message's recipients often share their domain
};

}  // namespace postwain::qmgr
