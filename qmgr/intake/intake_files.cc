// Large content on its way into files.
#include <cerrno>

#include "common/base/text.h"
#include "common/content/content_fields.h"
#include "common/content/header_form.h"
#include "common/log/log.h"

#include "qmgr/intake/intake.h"

namespace postwain::qmgr {

namespace {

mail::Reply reply_for(const Error& error) {
  if (error.code == ENOSPC || error.code == EDQUOT)
    return {452, {4, 3, 1}, "Mail system full, try again later"};
  return {451, {4, 3, 0}, "Queue file write error, try again later"};
}

// Up to the body, and no further: whoever edits a header section must find one.
bool is_header_section(std::string_view header) {
  std::size_t from = 0;
  return header.size() <= ipc::kHeaderApartMax &&
         mail::find_header_end(header, from, true).body == header.size();
}

void log_not_stored(mail::QueueId id, const Error& error) {
  log::Line(log::Level::error, "content_not_stored").kv("id", id.text()).kv("error", error.text);
}

}  // namespace

void Intake::begin_upload(std::uint64_t number, mail::QueueId id, const Transaction& transaction) {
  queue_.content().worker().run(transaction.message.info.id,
                                [this, number, id, upload = transaction.upload,
                                 lent = transaction.lent]() -> ContentWorker::Completion {
                                  upload->begin();
                                  if (!lent) return nullptr;
                                  auto file = std::make_shared<UniqueFd>(upload->lend());
                                  return [this, number, id, upload, file] {
                                    lend(number, id, upload, std::move(*file));
                                  };
                                });
}

// Nobody is there any more, or takes it; or there is no file, and this is the end, unless its own
// end is on the way already (a peer need not wait for the file): then that one answers.
void Intake::lend(std::uint64_t number, mail::QueueId id, const UploadPtr& upload, UniqueFd file) {
  auto peer = peers_.find(number);
  if (peer == peers_.end()) return;
  auto found = peer->second.transactions.find(id);
  if (found == peer->second.transactions.end() || found->second.upload != upload ||
      found->second.ending)
    return;
  if (file) return peer->second.connection->send(ipc::SubmitFile{id}, std::move(file));
  Error why = upload->error() ? *upload->error() : Error{"no file"};
  log_not_stored(found->second.message.info.id, why);
  drop(found->second);
  peer->second.transactions.erase(found);
  answer(number, id, reply_for(why));
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
  begin_work(number, peer, 0, frame.content.size());
  queue_.content().worker().run(
      transaction.message.info.id,
      [this, number, id = frame.id, upload = transaction.upload, work = transaction.work,
       bytes = std::string(frame.content)]() -> ContentWorker::Completion {
        upload->append(bytes);
        return [this, number, id, work, size = bytes.size()] {
          end_work(work, 0, size);
          stored(number, id, size);
        };
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
  if (!ipc::decode(payload, frame) || frame.size > kContentSizeMax) return false;
  auto found = peer.transactions.find(frame.id);
  // Refused meanwhile; but what was never opened cannot end.
  if (found == peer.transactions.end()) return true;
  Transaction& transaction = found->second;
  if (transaction.ending || transaction.lent) return false;
  note_past_data(peer, frame.past_data);
  transaction.message.info.size = frame.size + transaction.upload->head_size();
  finish_upload(number, frame.id, transaction, 0,
                [size = frame.size](Upload& upload) { upload.finish(size); });
  return true;
}

bool Intake::end_of_lent(std::uint64_t number, Peer& peer, std::string_view payload) {
  ipc::SubmitFinal frame;
  if (!ipc::decode(payload, frame) || frame.file_size > kContentSizeMax ||
      !is_header_section(frame.header) || (frame.envelope && !has_sane_size(*frame.envelope)))
    return false;
  auto found = peer.transactions.find(frame.id);
  if (found == peer.transactions.end()) return true;  // refused meanwhile
  Transaction& transaction = found->second;
  if (transaction.ending || !transaction.lent) return false;
  std::optional<Carrier> carrier = carrier_of(peer, frame.id);
  if (!carrier) return false;
  note_past_data(peer, frame.past_data);
  NewMessage& message = transaction.message;
  message.info.size = frame.file_size + frame.header.size();
  message.info.eight_bit = frame.eight_bit || !is_ascii(frame.header);
  std::optional<mail::Reply> refusal;
  if (frame.envelope)
    refusal = change_envelope(*carrier, peer, message, *std::move(frame.envelope));
  if (!refusal && !may_have_lone_line_ends(message.info.envelope) &&
      mail::has_lone_line_end(frame.header))
    refusal = lone_line_end_reply();
  if (!refusal && !message.info.id.is_in(rules_.own_bags)) refusal = bag_moved_reply();
  if (refusal) {
    drop(transaction);
    peer.transactions.erase(found);
    refuse(number, frame.id, *carrier, *refusal);
    return true;
  }
  mark_filtered(peer, message);
  begin_work(number, peer, 0, frame.header.size());
  finish_upload(number, frame.id, transaction, frame.header.size(),
                [size = frame.file_size, header = std::string(frame.header)](Upload& upload) {
                  upload.finish_lent(size, header);
                });
  return true;
}

// Who sends it and to whom is judged as it was the first time; all else that is known of the
// message stays, and so does what its sender said of the content.
std::optional<mail::Reply> Intake::change_envelope(const Carrier& carrier, Peer& peer,
                                                   NewMessage& message, mail::Envelope envelope) {
  NewMessage changed;
  fill(changed, message.info.id, std::move(envelope), message.info.arrival);
  mark_announced(peer, changed);
  changed.info.envelope.body = message.info.envelope.body;
  auto same_id = [&message] { return message.info.id; };
  if (auto refusal = judge(carrier, rules_, wall_now(), same_id, changed)) return refusal;
  message.info.envelope = std::move(changed.info.envelope);
  message.recipients = std::move(changed.recipients);
  return std::nullopt;
}

void Intake::finish_upload(std::uint64_t number, mail::QueueId id, Transaction& transaction,
                           std::size_t octets, std::function<void(Upload&)> finish) {
  transaction.ending = true;
  mail::QueueId real = transaction.message.info.id;
  queue_.content().worker().run(
      real,
      [this, number, id, real, octets, upload = transaction.upload, work = transaction.work,
       finish = std::move(finish)]() -> ContentWorker::Completion {
        finish(*upload);
        return [this, number, id, real, octets, upload, work] {
          end_work(work, 0, octets);
          file_finished(number, id, real, upload, work);
        };
      });
}

// The content is on the disk under its name; now the rows. If the peer is gone, nobody was promised
// anything and the client will send again.
void Intake::file_finished(std::uint64_t number, mail::QueueId id, mail::QueueId real,
                           const UploadPtr& upload, const WorkPtr& work) {
  under_way_.erase(real);
  end_work(work, 1, 0);  // as an upload; as a message that is committed it begins again below
  auto peer = peers_.find(number);
  if (peer == peers_.end()) return take_back(real, upload);
  auto found = peer->second.transactions.find(id);
  if (found == peer->second.transactions.end() || found->second.upload != upload)
    return take_back(real, upload);
  Transaction transaction = std::move(found->second);
  peer->second.transactions.erase(found);
  NewMessage& message = transaction.message;
  message.message_id = upload->message_id();
  mark_double_bounce(message, upload->double_bounce());
  mark_given_back(peer->second.role, upload->own_hops(), message);
  if (!transaction.lent) message.info.eight_bit = upload->eight_bit();
  if (upload->refusal())
    return refuse(number, id, {peer->second.role, peer->second.uid, {}}, *upload->refusal());
  if (upload->error()) {
    log_not_stored(real, *upload->error());
    return answer(number, id, reply_for(*upload->error()));
  }
  message.content = upload->take_header();
  message.info.header_size = static_cast<std::uint32_t>(message.content.size());
  std::size_t octets = message.content.size();
  begin_work(number, peer->second, 1, octets);
  hand_on(number, id, std::move(message), [this, real, upload, work, octets](AcceptEnd end) {
    end_work(work, 1, octets);
    if (certainly_not_stored(end)) take_back(real, upload);
  });
}

void Intake::take_back(mail::QueueId real, const UploadPtr& upload) {
  queue_.content().worker().run(real, [upload]() -> ContentWorker::Completion {
    upload->take_back();
    return nullptr;
  });
}

bool Intake::abort(Peer& peer, std::string_view payload) {
  ipc::SubmitAbort frame;
  if (!ipc::decode(payload, frame)) return false;
  auto found = peer.transactions.find(frame.id);
  if (found == peer.transactions.end() || found->second.ending) return true;
  drop(found->second);
  peer.transactions.erase(found);
  return true;
}

// The file goes where it was made: on the content thread, behind the chunks that still wait there.
void Intake::drop(const Transaction& transaction) {
  under_way_.erase(transaction.message.info.id);
  queue_.content().worker().run(
      transaction.message.info.id,
      [this, upload = transaction.upload, work = transaction.work]() -> ContentWorker::Completion {
        upload->give_up();
        return [this, work] { end_work(work, 1, 0); };
      });
}

}  // namespace postwain::qmgr
