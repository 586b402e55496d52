// A message that has just been committed: it is counted and recorded, and its recipients go
// straight to the scheduler, without being read back. Those for whom memory has no place wait in
// the overflow list, or as rows.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "qmgr/entering/put_back.h"
#include "qmgr/shared/retry_terms.h"

namespace postwain::qmgr {

class Offering {
 public:
  // Recipients whose end no next hop decides are in the working set, leased, when this is called.
  using SettleDecided = std::function<void(mail::QueueId, const std::vector<std::uint32_t>&)>;
  // on_unjudged: one has come that waits for its filters.
  Offering(QueueCore& core, Destinations& destinations, const RetryTerms& terms, PutBack& put_back,
           SettleDecided settle_decided, std::function<void()> on_unjudged)
      : core_(core),
        destinations_(destinations),
        terms_(terms),
        put_back_(put_back),
        settle_decided_(std::move(settle_decided)),
        on_unjudged_(std::move(on_unjudged)) {}

  // due: when its recipients are due, as the store has it.
  void committed(NewMessage message, WallTime due);

 private:
  // Recipients for whom there was no place, by destination.
  using Refused = std::vector<std::pair<std::string, std::uint32_t>>;

  void count(NewMessage& message);
  void offer(NewMessage& message, WallTime due);
  std::vector<std::uint32_t> order_of(const NewMessage& message,
                                      const std::vector<std::uint32_t>& decided) const;
  std::size_t end_of_lease(const NewMessage& message, const std::vector<std::uint32_t>& order,
                           std::size_t start, const Routed& routed) const;
  void take(NewMessage& message, const std::uint32_t* begin, const std::uint32_t* end,
            DestinationId id);
  std::vector<std::uint32_t> take_decided(NewMessage& message);
  void keep_refused(const NewMessage& message, Refused refused, WallTime due);

  QueueCore& core_;
  Destinations& destinations_;
  const RetryTerms& terms_;
  PutBack& put_back_;
  SettleDecided settle_decided_;
  std::function<void()> on_unjudged_;
};

}  // namespace postwain::qmgr
