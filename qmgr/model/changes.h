// What the loop asks the store to write: values only. One Settlement is one transaction's worth for
// one message: the recipients' new states and the notices that tell of them appear together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/notice/dsn.h"

#include "qmgr/model/message.h"

namespace postwain::qmgr {

using notice::DsnAction;
using notice::DsnRecipient;
using notice::DsnRequest;

enum class ChangeKind : std::uint8_t {
  remove,      // delivered, failed or cancelled: the row goes
  defer,       // waits until next_attempt_at
  hold,        // waits for an operator
  release,     // due now
  quarantine,  // hold, by ourselves: `last` says why
};

struct RecipientChange {
  std::uint32_t index = 0;
  ChangeKind kind = ChangeKind::defer;
  std::uint32_t count_key = 0;  // QueueCounts::CountKey it has been counted in
  // defer and quarantine only, and these two of release as they are:
  std::string destination;
  std::uint32_t attempts = 0;
  WallTime next_attempt_at{};
  bool in_doubt = false;
  bool delay_warned = false;
  LastOutcome last;
  std::uint32_t crashes = 0;
};

// A notice to be written if, and only for those recipients for which, the change is made. (A
// repeated report of an outcome finds no row any more and makes no second bounce.)
struct NoticeOrder {
  DsnRequest request;
  std::vector<std::uint32_t> indices;  // beside request.recipients
  MessageKind kind = MessageKind::notice;
  std::vector<NewRecipient> recipients{};  // who gets it: what request.to stands for
};

// A message as it came in, whole or not at all: it may go on as several, each with a reverse-path
// of its own, and its sender may have asked to be told of that (expansion.h).
struct Submission {
  NewMessage message;
  std::vector<NewMessage> parts;     // with the content of `message`
  std::vector<NoticeOrder> notices;  // about `message`
  std::vector<NewMessage> written;   // filled in by the store: the notices
};

struct Settlement {
  mail::QueueId id;
  std::vector<RecipientChange> changes;
  std::vector<NoticeOrder> notices;
  // As far as the working set knows these are all recipients that are left. Only a hint: the store
  // looks for itself.
  bool maybe_all = false;
  bool in_file = false;     // of the message: its content
  bool is_compact = false;  // perhaps it is one value still; a hint, too
  // Whatever else is to be done: from now on it lies in rows, due then at the latest.
  std::optional<WallTime> normalise_due{};
};

struct Settled {
  mail::QueueId id;
  std::vector<std::uint32_t> changed;  // indices whose row was there
  bool message_removed = false;
  bool content_file_removed = false;  // the file may now be unlinked
  std::vector<NewMessage> notices;    // committed with it, ready to be scheduled
};

}  // namespace postwain::qmgr
