// Handing one message to qmgr over the intake socket, the way smtpd does it. Small content in one
// frame, larger content in chunks as it is read, so that none is held whole.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/config/config_fwd.h"
#include "common/ipc/messages.h"

namespace postwain::tool {

struct SubmissionSource {
  mail::Envelope envelope;
  ipc::Arrival arrival;
  // What comes first, made when the id is known (it holds the Received field).
  std::function<std::string(mail::QueueId)> head;
  // Appends more content; false at the end. An error gives the message up.
  std::function<Result<bool>(std::string& out)> more;
  std::function<bool()> eight_bit;  // of all content read so far
  std::uint64_t size_max = 0;
  mail::QueueId id;  // 0: a new one
  std::optional<ipc::QueueImport>
      queue_import;                    // it was in a queue before; needs root or the queue's user
  std::optional<std::uint32_t> owner;  // whose it is; only of pickup
};

// The reply of qmgr: 250 means stored and synced. An Error carries a sysexits code. Where nobody
// could be reached nothing of the source has been asked for.
Result<mail::Reply> submit(const std::string& socket, const SubmissionSource& source);
// The same, to a qmgr of ours only (trust.h): somebody else who listens there is told nothing.
Result<mail::Reply> submit(const config::Config& config, const SubmissionSource& source);

}  // namespace postwain::tool
