#include "filter/milter/milter_pool.h"

#include <algorithm>
#include <utility>

#include "filter/milter/outside_filter.h"

namespace postwain::filter {

MilterPool::~MilterPool() = default;

std::unique_ptr<MilterConnection> MilterPool::open(Shared& shared, config::FilterRights may,
                                                   MemberOwner& owner) {
  return std::make_unique<MilterConnection>(shared, filter_, may, owner);
}

// The one that was used last is the likeliest to be alive.
std::unique_ptr<MilterConnection> MilterPool::take(Shared& shared, config::FilterRights may,
                                                   MemberOwner& owner) {
  auto found = std::find_if(idle_.rbegin(), idle_.rend(), [&](const Idle& one) {
    return one.connection->failure() == ipc::FilterFailure::none && one.connection->may() == may;
  });
  if (found == idle_.rend()) return std::make_unique<MilterConnection>(shared, filter_, may, owner);
  auto connection = std::move(found->connection);
  idle_.erase(std::next(found).base());
  connection->attach(owner);
  return connection;
}

void MilterPool::refill(Shared& shared) {
  while (idle_.size() < filter_.settings().spare_connections)
    keep(shared, open(shared, filter_.terms().may, *this));
}

void MilterPool::give_back(Shared& shared, std::unique_ptr<MilterConnection> connection) {
  bool kept =
      filter_.settings().reuse && idle_.size() < kReusedConnectionsMax && connection->end_session();
  if (!kept) return connection->quit();
  connection->attach(*this);
  keep(shared, std::move(connection));
}

void MilterPool::keep(Shared& shared, std::unique_ptr<MilterConnection> connection) {
  if (!alarm_) {
    clock_ = &shared.clock;
    alarm_ = shared.clock.alarm();
  }
  idle_.push_back({std::move(connection), clock_->mono() + kIdleConnectionMax});
  if (!alarm_->active()) alarm_->start(kIdleConnectionMax, [this] { leave_old(); });
}

// Called by a connection, whose code is on the stack: those that have failed go later.
void MilterPool::member_changed() {
  bool failed = std::any_of(idle_.begin(), idle_.end(), [](const Idle& one) {
    return one.connection->failure() != ipc::FilterFailure::none;
  });
  if (failed) alarm_->start(Duration::zero(), [this] { leave_old(); });
}

void MilterPool::leave_old() {
  MonoTime now = clock_->mono();
  std::erase_if(idle_, [&](Idle& one) {
    if (one.connection->failure() != ipc::FilterFailure::none) return true;
    if (one.until > now) return false;
    one.connection->quit();
    return true;
  });
  if (idle_.empty()) return;
  MonoTime next = idle_.front().until;
  for (const Idle& one : idle_) next = std::min(next, one.until);
  alarm_->start(next - now, [this] { leave_old(); });
}

}  // namespace postwain::filter
