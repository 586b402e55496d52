#include "qmgr/intake.h"

#include <cerrno>

#include "common/log/log.h"

namespace postwain::qmgr {

namespace {

mail::Reply reply_for(AcceptEnd end, mail::QueueId id) {
  switch (end) {
    case AcceptEnd::stored:
    case AcceptEnd::duplicate:
      return {250, {2, 0, 0}, "Ok: queued as " + id.text()};
    case AcceptEnd::full:
      return {452, {4, 3, 1}, "Mail system full, try again later"};
    case AcceptEnd::unexpandable:
      return {550, {5, 2, 4}, "What a recipient stands for cannot be worked out"};
    case AcceptEnd::conflict:
    case AcceptEnd::failed:
    case AcceptEnd::unknown:
      break;
  }
  return {451, {4, 3, 0}, "Queue file write error, try again later"};
}

mail::Reply reply_for(const Error& error) {
  if (error.code == ENOSPC || error.code == EDQUOT) return reply_for(AcceptEnd::full, {});
  return reply_for(AcceptEnd::failed, {});
}

void log_not_stored(mail::QueueId id, const Error& error) {
  log::Line(log::Level::error, "content_not_stored").kv("id", id.text()).kv("error", error.text);
}

bool is_sane(const mail::Envelope& envelope) {
  return !envelope.recipients.empty() && envelope.recipients.size() <= kEnvelopeRecipientsMax;
}

// Takes the recipients out of the envelope.
void fill(NewMessage& message, mail::QueueId id, mail::Envelope envelope, ipc::Arrival arrival) {
  message.info.id = id;
  message.info.arrival = std::move(arrival);
  message.recipients.reserve(envelope.recipients.size());
  for (mail::Recipient& r : envelope.recipients) message.recipients.push_back({std::move(r), {}});
  envelope.recipients.clear();
  message.info.envelope = std::move(envelope);
}

}  // namespace

void Intake::peer_connected(std::uint64_t peer, daemon::IpcConnection& connection, ipc::Role role) {
  Peer& entry = peers_[peer];
  entry.connection = &connection;
  entry.counts = role == ipc::Role::smtpd;
  entry.may_restore = role == ipc::Role::restore;
  connection.send(admission_);
}

void Intake::peer_lost(std::uint64_t peer) {
  auto found = peers_.find(peer);
  if (found == peers_.end()) return;
  for (auto& [id, transaction] : found->second.transactions)
    if (!transaction.ending) drop(id, std::move(transaction.upload));
  note_past_data(found->second, 0);
  peers_.erase(found);
  count_sessions();
}

void Intake::set_admission(const ipc::Admission& admission) {
  bool same = admission.accepting == admission_.accepting &&
              admission.refusal.code == admission_.refusal.code &&
              admission.refusal.text == admission_.refusal.text;
  if (same) return;
  admission_ = admission;
  log::Line(admission.accepting ? log::Level::info : log::Level::warning, "admission")
      .kv("accepting", admission.accepting)
      .kv("refusal", admission.accepting ? std::string() : admission.refusal.one_line());
  for (auto& [number, peer] : peers_) peer.connection->send(admission_);
}

bool Intake::frame(std::uint64_t number, ipc::FrameType type, std::string_view payload) {
  auto found = peers_.find(number);
  if (found == peers_.end()) return false;
  Peer& peer = found->second;
  if (type == ipc::FrameType::submit) return submit(number, peer, payload);
  if (type == ipc::FrameType::submit_open) return open(number, peer, payload);
  if (type == ipc::FrameType::submit_chunk) return chunk(number, peer, payload);
  if (type == ipc::FrameType::submit_end) return end(number, peer, payload);
  if (type == ipc::FrameType::submit_abort) return abort(peer, payload);
  if (type == ipc::FrameType::receiver_counts) return counts(peer, payload);
  if (type == ipc::FrameType::restore) return restore(peer, payload);
  if (type == ipc::FrameType::probe) return probe(number, peer, payload);
  return false;
}

bool Intake::submit(std::uint64_t number, Peer& peer, std::string_view payload) {
  ipc::Submit frame;
  if (!ipc::decode(payload, frame) || !is_sane(frame.envelope) || frame.id.value == 0) return false;
  if (frame.content.size() > ipc::kInlineContentMax) return false;
  note_past_data(peer, frame.past_data);
  NewMessage message;
  fill(message, frame.id, std::move(frame.envelope), std::move(frame.arrival));
  message.info.size = frame.content.size();
  message.info.eight_bit = frame.eight_bit;
  message.content = std::string(frame.content);
  mark_restored(peer, message);
  hand_on(number, std::move(message), nullptr);
  return true;
}

bool Intake::counts(Peer& peer, std::string_view payload) {
  ipc::ReceiverCounts frame;
  if (!peer.counts || !ipc::decode(payload, frame) || frame.numbers.size() != ipc::kCounted)
    return false;
  peer.sessions = frame.sessions;
  for (std::size_t i = 0; i < ipc::kCounted; ++i) queue_.metrics().receivers[i] += frame.numbers[i];
  count_sessions();
  return true;
}

void Intake::count_sessions() {
  std::uint64_t sum = 0;
  for (const auto& [number, peer] : peers_) sum += peer.sessions;
  queue_.metrics().sessions = sum;
}

bool Intake::restore(Peer& peer, std::string_view payload) {
  ipc::Restore frame;
  bool good = peer.may_restore && ipc::decode(payload, frame) &&
              frame.kind <= static_cast<std::uint8_t>(MessageKind::double_bounce) &&
              frame.held_for.size() <= kHeldForMax;
  if (good) peer.restore = std::move(frame);
  return good;
}

// What was said of it comes with the message.
void Intake::mark_restored(Peer& peer, NewMessage& message) {
  if (!peer.restore || peer.restore->id != message.info.id) return;
  message.restored = true;
  message.info.kind = static_cast<MessageKind>(peer.restore->kind);
  message.held_for = std::move(peer.restore->held_for);
  peer.restore.reset();
}

// For smtpd: who may submit as sendmail does is anybody on this machine.
bool Intake::probe(std::uint64_t number, Peer& peer, std::string_view payload) {
  ipc::Probe frame;
  if (!peer.counts || !ipc::decode(payload, frame) || !frame.recipient.has_domain()) return false;
  probes_.ask(frame.recipient, [this, number, request = frame.request](ipc::ProbeVerdict verdict,
                                                                       const mail::Reply& reply) {
    auto asker = peers_.find(number);
    if (asker != peers_.end())
      asker->second.connection->send(ipc::ProbeResult{request, verdict, reply});
  });
  return true;
}

void Intake::hand_on(std::uint64_t number, NewMessage message,
                     std::function<void(AcceptEnd)> on_end) {
  mail::QueueId id = message.info.id;
  // What was counted once is not counted again.
  std::string account = message.restored ? std::string() : message.info.arrival.account;
  auto recipients = static_cast<std::uint32_t>(message.recipients.size());
  AccountLimits::Verdict verdict = limits_.count(account, recipients, mono_now());
  if (verdict.report)
    log::Line(log::Level::warning, "account_over_rate")
        .kv("account", account)
        .kv("id", id.text())
        .kv("action", verdict.kind == AccountLimits::Kind::hold ? "hold" : "refuse")
        .kv("reason", verdict.reason)
        .kv("config", verdict.origin.text());
  if (verdict.kind == AccountLimits::Kind::refuse) {
    if (on_end) on_end(AcceptEnd::failed);
    return answer(number, id, {450, {4, 7, 1}, "Your account sends too much, try again later"});
  }
  if (verdict.kind == AccountLimits::Kind::hold) message.held_for = verdict.reason;
  bool counted = verdict.kind == AccountLimits::Kind::pass;
  queue_.accept(std::move(message), [this, number, id, account, recipients, counted,
                                     on_end = std::move(on_end)](AcceptEnd end) {
    // The same once more, or nothing at all: it does not count.
    if (counted && end != AcceptEnd::stored) limits_.give_back(account, recipients);
    if (on_end) on_end(end);
    answer(number, id, reply_for(end, id));
  });
}

bool Intake::open(std::uint64_t number, Peer& peer, std::string_view payload) {
  ipc::SubmitOpen frame;
  if (!ipc::decode(payload, frame) || !is_sane(frame.envelope) || frame.id.value == 0) return false;
  if (peer.transactions.size() >= kOpenTransactionsMax) return false;
  auto [entry, is_new] = peer.transactions.try_emplace(frame.id);
  if (!is_new) return false;
  Transaction& transaction = entry->second;
  fill(transaction.message, frame.id, std::move(frame.envelope), std::move(frame.arrival));
  transaction.message.info.in_file = true;
  mark_restored(peer, transaction.message);
  transaction.upload = std::make_shared<Upload>();
  transaction.lent = peer.counts;
  queue_.worker().run(frame.id,
                      [this, number, upload = transaction.upload, files = queue_.files(),
                       id = frame.id, lent = transaction.lent]() -> ContentWorker::Completion {
                        Result<ContentFile> file = ContentFile::create(files, id);
                        if (file)
                          upload->file = std::make_unique<ContentFile>(file.take());
                        else
                          upload->fail(file.error());
                        if (!lent) return nullptr;
                        auto other = std::make_shared<UniqueFd>();
                        if (upload->file) {
                          Result<UniqueFd> got = upload->file->lend();
                          if (got)
                            *other = got.take();
                          else
                            upload->fail(got.error());
                        }
                        return [this, number, id, upload, other] {
                          lend(number, id, upload, std::move(*other));
                        };
                      });
  return true;
}

// Nobody is there any more, or takes it; or there is no file, and this is the end.
void Intake::lend(std::uint64_t number, mail::QueueId id, const std::shared_ptr<Upload>& upload,
                  UniqueFd file) {
  auto peer = peers_.find(number);
  if (peer == peers_.end()) return;
  auto found = peer->second.transactions.find(id);
  if (found == peer->second.transactions.end() || found->second.upload != upload) return;
  if (file) return peer->second.connection->send(ipc::SubmitFile{id}, std::move(file));
  log_not_stored(id, upload->error);
  drop(id, upload);
  peer->second.transactions.erase(found);
  answer(number, id, reply_for(upload->error));
}

bool Intake::chunk(std::uint64_t number, Peer& peer, std::string_view payload) {
  ipc::SubmitChunk frame;
  if (!ipc::decode(payload, frame)) return false;
  auto found = peer.transactions.find(frame.id);
  // After a refusal chunks of that transaction may still be on their way.
  if (found == peer.transactions.end()) return true;
  Transaction& transaction = found->second;
  transaction.sent += frame.content.size();
  if (transaction.lent || transaction.ending ||
      transaction.sent - transaction.stored > 2 * ipc::kSubmitWindow)
    return false;
  queue_.worker().run(frame.id,
                      [this, number, id = frame.id, upload = transaction.upload,
                       bytes = std::string(frame.content)]() -> ContentWorker::Completion {
                        if (!upload->failed)
                          if (Status s = upload->file->append(bytes); !s) upload->fail(s.error());
                        return
                            [this, number, id, size = bytes.size()] { stored(number, id, size); };
                      });
  return true;
}

// Also after a failure: the peer goes on sending and hears of it at the end.
void Intake::stored(std::uint64_t number, mail::QueueId id, std::size_t bytes) {
  auto peer = peers_.find(number);
  if (peer == peers_.end()) return;
  auto found = peer->second.transactions.find(id);
  if (found == peer->second.transactions.end()) return;
  found->second.stored += bytes;
  peer->second.connection->send(ipc::ChunksStored{id, found->second.stored});
}

bool Intake::end(std::uint64_t number, Peer& peer, std::string_view payload) {
  ipc::SubmitEnd frame;
  if (!ipc::decode(payload, frame)) return false;
  auto found = peer.transactions.find(frame.id);
  if (found == peer.transactions.end() || found->second.ending) return false;
  Transaction& transaction = found->second;
  note_past_data(peer, frame.past_data);
  transaction.ending = true;
  transaction.message.info.size = frame.size;
  transaction.message.info.eight_bit = frame.eight_bit;
  queue_.worker().run(frame.id,
                      [this, number, id = frame.id, size = frame.size, files = queue_.files(),
                       upload = transaction.upload]() -> ContentWorker::Completion {
                        upload->finish(files, id, size);
                        return [this, number, id, upload] { file_finished(number, id, upload); };
                      });
  return true;
}

void Intake::Upload::fail(const Error& why) {
  failed = true;
  error = why;
}

// The history finds it by its Message-ID, which stands in the beginning; that is in memory still.
void Intake::Upload::finish(const ContentFolder& files, mail::QueueId id, std::uint64_t size) {
  if (!failed)
    if (Status s = file->finish(size); !s) fail(s.error());
  if (!failed) {
    Result<std::string> head = files.read(id, 0, ipc::kInlineContentMax);
    if (head) message_id = message_id_in(*head);
  }
  existed = file && file->existed();
  file.reset();
}

// The content is on the disk under its name; now the rows. If the peer is gone, nobody was promised
// anything and the client will send again.
void Intake::file_finished(std::uint64_t number, mail::QueueId id,
                           const std::shared_ptr<Upload>& upload) {
  auto peer = peers_.find(number);
  auto remove_file = [this, id, upload] {
    if (upload->existed) return;
    queue_.worker().run(id, [files = queue_.files(), id]() -> ContentWorker::Completion {
      (void)files.remove(id);
      return nullptr;
    });
  };
  if (peer == peers_.end()) return remove_file();
  auto found = peer->second.transactions.find(id);
  PW_CHECK(found != peer->second.transactions.end());
  NewMessage message = std::move(found->second.message);
  peer->second.transactions.erase(found);
  message.message_id = upload->message_id;
  if (upload->failed) {
    log_not_stored(id, upload->error);
    return answer(number, id, reply_for(upload->error));
  }
  hand_on(number, std::move(message), [remove_file](AcceptEnd end) {
    if (certainly_not_stored(end)) remove_file();
  });
}

bool Intake::abort(Peer& peer, std::string_view payload) {
  ipc::SubmitAbort frame;
  if (!ipc::decode(payload, frame)) return false;
  auto found = peer.transactions.find(frame.id);
  if (found == peer.transactions.end() || found->second.ending) return true;
  drop(frame.id, std::move(found->second.upload));
  peer.transactions.erase(found);
  return true;
}

// The file goes where it was made: on the content thread, behind the chunks that still wait there.
void Intake::drop(mail::QueueId id, std::shared_ptr<Upload> upload) {
  queue_.worker().run(id, [upload = std::move(upload)]() -> ContentWorker::Completion {
    upload->file.reset();
    upload->failed = true;
    return nullptr;
  });
}

void Intake::answer(std::uint64_t number, mail::QueueId id, const mail::Reply& reply) {
  auto found = peers_.find(number);
  if (found == peers_.end()) return;
  // That session no longer waits for a commit.
  if (found->second.past_data > 0) note_past_data(found->second, found->second.past_data - 1);
  found->second.connection->send(ipc::SubmitResult{id, reply});
}

void Intake::note_past_data(Peer& peer, std::uint32_t sessions) {
  if (!peer.counts || peer.past_data == sessions) return;
  peer.past_data = sessions;
  std::uint32_t sum = 0;
  for (const auto& [number, one] : peers_) sum += one.past_data;
  queue_.set_past_data(sum);
}

}  // namespace postwain::qmgr
