// The queue id: 63 bits that never repeat, shown as 13 characters. Given by smtpd when it opens a
// transaction, so that the Received field can carry it and a repeated submission of the same
// transaction is recognised by the store. 41 bits milliseconds since 2020, 10 bits worker (given by
// qmgr at hello), 12 bits counter.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/time.h"

namespace postwain::mail {

struct QueueId {
  std::uint64_t value = 0;

  WallTime made_at() const;
  std::string text() const;  // Crockford base 32, e.g. "0CZW3PQ5G8S1T"
  static std::optional<QueueId> parse(std::string_view text);  // any letter case
  auto operator<=>(const QueueId&) const = default;  // NOLINT(modernize-use-nullptr): clang-tidy 14
};

class QueueIdSource {
 public:
  explicit QueueIdSource(std::uint16_t worker) : worker_(worker & 0x3FFU) {}
  QueueId next(WallTime now);
  // Those to come are greater than this one, which somebody else made (perhaps by another clock).
  void pass(QueueId id);

 private:
  std::uint16_t worker_;
  std::uint64_t last_ms_ = 0;
  std::uint32_t counter_ = 0;
};

}  // namespace postwain::mail

template <>
struct std::hash<postwain::mail::QueueId> {
  std::size_t operator()(const postwain::mail::QueueId& id) const noexcept {
    return std::hash<std::uint64_t>()(id.value * 0x9E3779B97F4A7C15ULL);
  }
};
