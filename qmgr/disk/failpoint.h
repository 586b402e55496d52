// Named moments of the queue's durable work at which a test may let the process die or the disk
// fail. What they prove: whatever ends or fails there, no promise is broken.
//
// Nothing a user can say arms one: there is no variable, option or file for it, only the function
// below, which no shipped program calls. Not armed, a point costs one load.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "common/base/result.h"

namespace postwain::qmgr {

// In the order in which a message meets them. Whoever adds one adds it to kFailpoints as well; the
// tests walk that table and fail for a point they never reach.
enum class Failpoint : std::uint8_t {
  migration_before,
  migration_commit,
  migration_after,
  content_create,
  content_append,
  content_sync,
  content_link,
  content_unlink_part,
  content_sync_folder,
  accept_insert,
  accept_commit,
  accept_answer,
  lease_send,
  outcome_write,
  bounce_insert,
  outcome_commit,
  outcome_answer,
  fact_write,
  content_remove,
  checkpoint_before,
  checkpoint_after,
  ballast_write,
  history_commit,
  count_
};

struct FailpointInfo {
  Failpoint point;
  std::string_view name;
  bool can_fail;  // the disk works there: EIO and ENOSPC are possible, not only death
};
constexpr std::array<FailpointInfo, static_cast<std::size_t>(Failpoint::count_)> kFailpoints = {{
    {Failpoint::migration_before, "migration-before", true},
    {Failpoint::migration_commit, "migration-commit", true},
    {Failpoint::migration_after, "migration-after", false},
    {Failpoint::content_create, "content-create", true},
    {Failpoint::content_append, "content-append", true},
    {Failpoint::content_sync, "content-sync", true},
    {Failpoint::content_link, "content-link", true},
    {Failpoint::content_unlink_part, "content-unlink-part", true},
    {Failpoint::content_sync_folder, "content-sync-folder", true},
    {Failpoint::accept_insert, "accept-insert", true},
    {Failpoint::accept_commit, "accept-commit", true},
    {Failpoint::accept_answer, "accept-answer", false},
    {Failpoint::lease_send, "lease-send", false},
    {Failpoint::outcome_write, "outcome-write", true},
    {Failpoint::bounce_insert, "bounce-insert", true},
    {Failpoint::outcome_commit, "outcome-commit", true},
    {Failpoint::outcome_answer, "outcome-answer", false},
    {Failpoint::fact_write, "fact-write", true},
    {Failpoint::content_remove, "content-remove", true},
    {Failpoint::checkpoint_before, "checkpoint-before", true},
    {Failpoint::checkpoint_after, "checkpoint-after", false},
    {Failpoint::ballast_write, "ballast-write", true},
    {Failpoint::history_commit, "history-commit", true},
}};

enum class FailAction : std::uint8_t { kill, io_error, no_space };

// The nth time (from 1) this point is reached, and only then; one at a time. reached counts every
// time, armed point or not; it may lie in memory shared with a test that outlives us.
void arm(Failpoint point, FailAction action, std::uint32_t nth,
         std::atomic<std::uint32_t>* reached);

extern std::atomic<bool> failpoints_armed;
// Fails with ENOSPC or EIO.
Status failpoint_reached(Failpoint point);

inline Status failpoint(Failpoint point) {
  if (!failpoints_armed.load(std::memory_order_relaxed)) return {};
  return failpoint_reached(point);
}

}  // namespace postwain::qmgr
