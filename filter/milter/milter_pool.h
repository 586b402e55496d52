// Connections to one milter that belong to no session: those that are negotiated ahead of the next
// sessions (`spare_connections`), and, where the filter understands that (`reuse`), those of
// sessions that have ended.
//
// Nobody is told of one that fails here; whoever needs a connection makes another one, and hears of
// its failure.
#pragma once

#include <deque>
#include <memory>

#include "common/base/clock.h"
#include "filter/judge.h"
#include "filter/milter/milter_connection.h"
#include "filter/shared.h"

namespace postwain::filter {

constexpr Duration kIdleConnectionMax = std::chrono::seconds(60);
constexpr std::size_t kReusedConnectionsMax = 50;

class MilterPool final : private MemberOwner {
 public:
  explicit MilterPool(const OutsideFilter& filter) : filter_(filter) {}
  ~MilterPool() override;
  MilterPool(const MilterPool&) = delete;
  MilterPool& operator=(const MilterPool&) = delete;

  // One of those here, or a new one; may: what the filter is granted.
  std::unique_ptr<MilterConnection> take(Shared& shared, config::FilterRights may,
                                         MemberOwner& owner);
  // A new one in any case.
  std::unique_ptr<MilterConnection> open(Shared& shared, config::FilterRights may,
                                         MemberOwner& owner);
  // The filter has answered on a connection: it is worth making spare ones.
  void refill(Shared& shared);
  // Of a session that has ended. It is kept or says goodbye.
  void give_back(Shared& shared, std::unique_ptr<MilterConnection> connection);
  std::size_t size() const { return idle_.size(); }

 private:
  struct Idle {
    std::unique_ptr<MilterConnection> connection;
    MonoTime until;
  };

  void member_changed() override;
  void keep(Shared& shared, std::unique_ptr<MilterConnection> connection);
  void leave_old();

  const OutsideFilter& filter_;
  std::deque<Idle> idle_;  // the oldest first
  Clock* clock_ = nullptr;
  std::unique_ptr<Alarm> alarm_;
};

}  // namespace postwain::filter
