// The messages qmgr has in memory: those with a recipient that is queued in the scheduler, lent to
// an agent, or whose settlement is not committed yet. Everything else is only in the store.
//
// A recipient stays known here from the moment it is offered until its settlement is committed:
// rows that a refill read in between are recognised and not scheduled twice.
//
// Bounded: kMessagesMax messages, kContentMax bytes of content. Beyond the first, messages stay in
// the store; beyond the second, their content does.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/mail/queue_id.h"

#include "qmgr/model/message.h"
#include "qmgr/scheduling/scheduler.h"

namespace postwain::qmgr {

constexpr std::size_t kMessagesMax = 20000;
constexpr std::size_t kContentMax = 64U << 20;

enum class RecipientPhase : std::uint8_t { queued, leased, settling };

struct WorkingRecipient {
  std::uint32_t index = 0;
  mail::Recipient recipient;
  RecipientPhase phase = RecipientPhase::queued;
  DestinationId destination = 0;
  std::uint32_t attempts = 0;
  bool in_doubt = false;
  bool delay_warned = false;
  std::unique_ptr<LastOutcome> last;  // of a former attempt
  std::uint32_t crashes = 0;
  WallTime leased_at{};
  std::uint32_t journal = 0;    // ticket of attempt_journal.h
  std::uint32_t count_key = 0;  // QueueCounts::CountKey it is counted in
};

struct WorkingMessage {
  MessageInfo info;
  std::string content;       // what the store keeps of it (MessageInfo::stored_size)
  bool has_content = false;  // that is in memory
  bool is_compact = false;   // in the store it is one value still, as far as we know
  bool damaged = false;      // its content could not be read: hold it instead of trying again
  std::vector<WorkingRecipient> recipients;  // in index order

  WorkingRecipient* find(std::uint32_t index);
};

class WorkingSet {
 public:
  WorkingMessage* find(mail::QueueId id);
  // Finds or makes it. info is used only when it is new.
  WorkingMessage& get(const MessageInfo& info);
  // False: not kept, since there is too much already.
  bool keep_content(WorkingMessage& message, std::string content);
  void add(WorkingMessage& message, WorkingRecipient recipient);
  // Forgets these recipients in one pass; each is shown to `gone` before.
  void remove(WorkingMessage& message, const std::vector<std::uint32_t>& indices,
              const std::function<void(WorkingRecipient&)>& gone);
  // The message goes with its last recipient.
  void forget_if_empty(mail::QueueId id);

  bool has_room() const { return messages_.size() < kMessagesMax; }
  std::size_t messages() const { return messages_.size(); }
  std::size_t content_bytes() const { return content_bytes_; }
  std::vector<mail::QueueId> ids() const;

 private:
  std::unordered_map<mail::QueueId, std::unique_ptr<WorkingMessage>> messages_;
  std::size_t content_bytes_ = 0;
};

}  // namespace postwain::qmgr
