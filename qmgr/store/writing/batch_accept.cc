// New messages, their parts, and what their senders are told at once.
#include <algorithm>

#include "qmgr/model/unjudged.h"
#include "qmgr/store/compact_record.h"
#include "qmgr/store/queue_reader.h"
#include "qmgr/store/writing/batch_writer.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kScratchKept = 64U << 10;  // bytes of each value; a larger one is given back

StoreError exists_already(const char* what, mail::QueueId id) {
  return {StoreError::Kind::refused,
          std::string("the id of a ") + what + " exists already: " + id.text()};
}

}  // namespace

struct BatchWriter::Inserting {
  const NewMessage* message = nullptr;
  WallTime due{};
  std::string_view content;
  bool stored = false;
};

// Parts and notices are written only with a message that is new.
StoreStatus BatchWriter::accept(std::span<const std::unique_ptr<AcceptRequest>> requests) {
  if (requests.empty()) return {};
  std::vector<Inserting> messages;
  messages.reserve(requests.size());
  std::vector<AcceptRequest*> whose;
  whose.reserve(requests.size());
  auto lacking = lacking_pieces(requests);
  if (!lacking) return lacking.error();
  for (const auto& request : requests) {
    const NewMessage& message = request->submission.message;
    if (lacking->count(request.get()) > 0) {
      if (StoreStatus s = refuse_lacking(*request); !s) return s;
      continue;
    }
    if (message.judged) {
      StoreResult<bool> taken = take_out(message);
      if (!taken) return taken.error();
      request->end = AcceptEnd::conflict;
      if (!*taken) continue;
    }
    messages.push_back({&message, request->due, message.content});
    whose.push_back(request.get());
  }
  if (StoreStatus s = insert(messages); !s) return s;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    whose[i]->end = AcceptEnd::stored;
    if (messages[i].stored) continue;
    StoreResult<AcceptEnd> end = end_of_duplicate(*messages[i].message);
    if (!end) return end.error();
    whose[i]->end = *end;
  }
  if (StoreStatus s = name_stored(requests); !s) return s;
  return accept_rest(requests);
}

StoreStatus BatchWriter::name_stored(std::span<const std::unique_ptr<AcceptRequest>> requests) {
  if (store_.attempts() == nullptr) return {};
  NameAttempts names;
  for (const auto& request : requests)
    if (request->end == AcceptEnd::stored)
      names.names.insert(names.names.end(), request->named.begin(), request->named.end());
  if (names.names.empty()) return {};
  const AttemptFact fact = std::move(names);
  return store_.attempts()->write({&fact, 1});
}

// False: it is not as it was when its judgement began; an operator has acted.
StoreResult<bool> BatchWriter::take_out(const NewMessage& message) {
  const JudgedMessage& judged = *message.judged;
  auto rows = store_.rows().recipients(judged.id, 0, judged.recipients.size() + 1);
  if (!rows) return rows.error();
  std::vector<JudgedMessage::Recipient> now;
  for (const StoredRecipient& row : *rows) {
    if (!is_unjudged(row.destination)) return false;
    now.push_back({row.index, row.state == RecipientState::held});
  }
  if (now.empty() || now != judged.recipients) return false;
  const MessageRows::Whole whole{judged.id, now.size(), now.front().index, now.back().index};
  auto removed = store_.rows().remove_whole({&whole, 1});
  if (!removed) return removed.error();
  bool keeps_pieces = message.info.in_file && message.info.id == judged.id;
  if (ContentPieces* pieces = store_.pieces(); pieces != nullptr && !keeps_pieces)
    if (StoreStatus s = pieces->remove({&judged.id, 1}); !s) return s.error();
  return StoreResult<bool>(static_cast<bool>(removed->front()));
}

StoreStatus BatchWriter::accept_rest(std::span<const std::unique_ptr<AcceptRequest>> requests) {
  std::vector<Inserting> parts;
  for (const auto& request : requests) {
    if (request->end != AcceptEnd::stored) continue;
    Submission& submission = request->submission;
    for (const NewMessage& part : submission.parts)
      parts.push_back({&part, request->due, submission.message.content});
  }
  if (!parts.empty())
    if (StoreStatus s = insert(parts); !s) return s;
  for (const Inserting& part : parts)  // their ids are ours and new
    if (!part.stored) return exists_already("part", part.message->info.id);
  for (const auto& request : requests) {
    Submission& submission = request->submission;
    submission.written.clear();
    if (request->end != AcceptEnd::stored || submission.notices.empty()) continue;
    for (const NoticeOrder& order : submission.notices)
      if (StoreStatus s =
              add_notices({order}, submission.message.info, order.indices, submission.written);
          !s)
        return s;
  }
  return {};
}

StoreStatus BatchWriter::insert(std::vector<Inserting>& messages) {
  std::vector<CompactMessages::Insert> compact;
  std::vector<Inserting*> of_compact;
  std::vector<MessageRows::Insert> rows;
  std::vector<Inserting*> of_rows;
  if (values_.size() < messages.size()) values_.resize(messages.size());
  for (Inserting& one : messages) {
    if (StoreStatus s = store_failpoint(Failpoint::accept_insert); !s) return s;
    const NewMessage& message = *one.message;
    std::string_view content = message.info.has_stored_content() ? one.content : std::string_view();
    if (!message.is_compact || !fits_one_value(message, content)) {
      rows.push_back({&message, one.due, content});
      of_rows.push_back(&one);
      continue;
    }
    std::string& value = values_[compact.size()];
    encode_compact(value, message, one.due, content);
    compact.push_back(
        {message.info.id, static_cast<std::uint32_t>(message.recipients.size()), value});
    of_compact.push_back(&one);
  }
  auto note = [](const StoreResult<Flags>& flags, const std::vector<Inserting*>& whose) {
    if (!flags) return StoreStatus(flags.error());
    for (std::size_t i = 0; i < whose.size(); ++i) whose[i]->stored = (*flags)[i];
    return StoreStatus();
  };
  StoreStatus done;
  if (!compact.empty()) done = note(store_.compact().insert(compact), of_compact);
  if (done && !rows.empty()) done = note(store_.rows().insert(rows), of_rows);
  for (std::string& value : values_)
    if (value.capacity() > kScratchKept) value = std::string();
  return done;
}

// The id is there already. The same transaction submitted once more is stored once; another
// transaction with the same id (a clock set back) must not be swallowed.
StoreResult<AcceptEnd> BatchWriter::end_of_duplicate(const NewMessage& message) {
  auto stored = QueueReader(store_).info(message.info.id);
  if (!stored) return stored.error();
  if (!*stored) return AcceptEnd::conflict;
  const MessageInfo& old = **stored;
  bool same = old.arrival.received_at == message.info.arrival.received_at;
  // Filters may have made another message of the first one meanwhile.
  if (!is_unjudged(message))
    same = same && old.size == message.info.size &&
           old.envelope.reverse_path == message.info.envelope.reverse_path;
  return same ? AcceptEnd::duplicate : AcceptEnd::conflict;
}

// Messages of our own making: due at once, and rows.
StoreStatus BatchWriter::insert_own(std::span<const NewMessage> notices) {
  std::vector<MessageRows::Insert> rows;
  for (const NewMessage& notice : notices)
    rows.push_back({&notice, notice.info.arrival.received_at, notice.content});
  if (rows.empty()) return {};
  auto stored = store_.rows().insert(rows);
  if (!stored) return stored.error();
  for (std::size_t i = 0; i < notices.size(); ++i)
    if (!(*stored)[i]) return exists_already("notice", notices[i].info.id);
  return {};
}

}  // namespace postwain::qmgr
