#include "qmgr/intake/intake.h"

#include <utility>

#include "common/base/text.h"
#include "common/content/content_fields.h"
#include "common/ipc/id_in_use.h"
#include "common/ipc/judgements.h"
#include "common/ipc/refusals.h"
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
    case AcceptEnd::faulty:
      return {451, {4, 3, 5}, "The alias of a recipient cannot be used, try again later"};
    case AcceptEnd::conflict:
      return ipc::id_in_use_reply();
    case AcceptEnd::failed:
    case AcceptEnd::unknown:
      break;
  }
  return {451, {4, 3, 0}, "Queue file write error, try again later"};
}

GateRules rules_of(const config::Config& config) {
  return {config.hostname,
          std::max<std::size_t>(config.limits.recipients, ipc::kLocalRecipientsMax),
          config.limits.message_size};
}

}  // namespace

bool Intake::has_sane_size(const mail::Envelope& envelope) {
  return envelope.recipients.size() <= kEnvelopeRecipientsMax;
}

void Intake::fill(NewMessage& message, mail::QueueId id, mail::Envelope envelope,
                  ipc::Arrival arrival) {
  message.info.id = id;
  message.info.arrival = std::move(arrival);
  message.recipients.reserve(envelope.recipients.size());
  for (mail::Recipient& r : envelope.recipients) message.recipients.push_back({std::move(r), {}});
  envelope.recipients.clear();
  message.info.envelope = std::move(envelope);
}

Intake::Intake(Queue& queue, Probes& probes, const config::Config& config, daemon::LocalUsers users)
    : queue_(queue),
      probes_(probes),
      limits_(config.auth),
      rules_(rules_of(config)),
      users_(std::move(users)) {}

void Intake::configure(const config::Config& config, daemon::LocalUsers users) {
  limits_.configure(config.auth);
  GateRules rules = rules_of(config);
  rules.own_bags = rules_.own_bags;
  rules.open_bags = rules_.open_bags;
  rules_ = std::move(rules);
  users_ = std::move(users);
}

void Intake::connected(std::uint64_t peer, daemon::IpcConnection& connection,
                       const PeerIdentity& identity) {
  Peer& entry = peers_[peer];
  entry.connection = &connection;
  entry.role = identity.role;
  entry.uid = identity.uid;
  entry.counts = identity.role == ipc::Role::smtpd;
  entry.work = work_for(identity.role, identity.uid);
  if (entry.counts && rules_.open_bags != mail::kAllBags)
    connection.send(ipc::OpenBags{rules_.open_bags});
  connection.send(admission_);
}

void Intake::set_open_bags(std::uint64_t open, std::uint64_t owned) {
  open = open != 0 ? open : owned;
  bool same = open == rules_.open_bags;
  rules_.own_bags = owned;
  rules_.open_bags = open;
  if (same) return;
  queue_.keep_ids_to(open);
  for (auto& [number, peer] : peers_)
    if (peer.counts) peer.connection->send(ipc::OpenBags{open});
}

Intake::WorkPtr Intake::work_for(ipc::Role role, std::uint32_t uid) {
  if (role == ipc::Role::smtpd) return std::make_shared<Work>(Work{kReceiverLimits, 0, 0, {}});
  std::erase_if(work_, [](const auto& one) { return one.second.expired(); });
  std::weak_ptr<Work>& known = work_[uid];
  WorkPtr work = known.lock();
  if (work == nullptr) known = work = std::make_shared<Work>(Work{kSubmitterLimits, 0, 0, {}});
  return work;
}

void Intake::begin_work(std::uint64_t number, Peer& peer, std::size_t messages,
                        std::size_t octets) {
  Work& work = *peer.work;
  work.messages += messages;
  work.octets += octets;
  if (work.messages < work.limits.messages && work.octets < work.limits.octets) return;
  peer.connection->pause(daemon::IpcConnection::Pause::work);
  work.paused.push_back(number);
}

void Intake::end_work(const WorkPtr& work, std::size_t messages, std::size_t octets) {
  work->messages -= messages;
  work->octets -= octets;
  if (work->messages >= work->limits.messages || work->octets >= work->limits.octets) return;
  for (std::uint64_t number : std::exchange(work->paused, {}))
    if (auto peer = peers_.find(number); peer != peers_.end())
      peer->second.connection->resume(daemon::IpcConnection::Pause::work);
}

void Intake::lost(std::uint64_t peer) {
  auto found = peers_.find(peer);
  if (found == peers_.end()) return;
  for (auto& [id, transaction] : found->second.transactions)
    if (!transaction.ending) drop(transaction);
  note_past_data(found->second, 0);
  peers_.erase(found);
  count_sessions();
}

void Intake::set_admission(const ipc::Admission& admission, const std::string& why, bool as_meant) {
  bool same = admission.accepting == admission_.accepting &&
              admission.refusal.code == admission_.refusal.code &&
              admission.refusal.text == admission_.refusal.text;
  // What a node waits for may change; the words of a trouble may have numbers in them that do.
  const bool other_reason = as_meant && std::exchange(waits_for_, why) != why;
  if (same && !other_reason) return;
  admission_ = admission;
  {
    const bool calm = admission.accepting || as_meant;
    log::Line line(calm ? log::Level::info : log::Level::warning, "admission");
    line.kv("accepting", admission.accepting);
    if (!admission.accepting) line.kv("refusal", admission.refusal.one_line()).kv("reason", why);
  }
  if (same) return;
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
  if (type == ipc::FrameType::submit_final) return end_of_lent(number, peer, payload);
  if (type == ipc::FrameType::submit_abort) return abort(peer, payload);
  if (type == ipc::FrameType::receiver_counts) return counts(peer, payload);
  if (type == ipc::FrameType::refusals) return refusals(peer, payload);
  if (type == ipc::FrameType::queue_import) return queue_import(peer, payload);
  if (type == ipc::FrameType::drop_owner) return drop_owner(peer, payload);
  if (type == ipc::FrameType::decided) return decided(peer, payload);
  if (type == ipc::FrameType::hold) return hold(peer, payload);
  if (type == ipc::FrameType::judged) return judged(peer, payload);
  if (type == ipc::FrameType::discarded) return discarded(peer, payload);
  if (type == ipc::FrameType::probe) return probe(number, peer, payload);
  return false;
}

// Of pickup's messages the owner of the file counts.
std::optional<Carrier> Intake::carrier_of(Peer& peer, mail::QueueId id) {
  Carrier carrier{peer.role, peer.uid, {}};
  if (peer.role == ipc::Role::pickup) {
    if (!peer.owner || peer.owner->id != id) return std::nullopt;
    carrier.uid = peer.owner->uid;
    peer.owner.reset();
  }
  auto user = users_.find(carrier.uid);
  if (user != users_.end()) carrier.user = user->second;
  return carrier;
}

std::optional<mail::Reply> Intake::refusal_for(const Carrier& carrier, NewMessage& message) {
  if (!admission_.accepting) return admission_.refusal;
  auto next_id = [this] { return queue_.next_id(); };
  return judge(carrier, rules_, wall_now(), next_id, message);
}

void Intake::refuse(std::uint64_t number, mail::QueueId id, const Carrier& carrier,
                    const mail::Reply& reply) {
  MonoTime now = mono_now();
  if (now - refusals_since_ > std::chrono::seconds(1)) {
    if (refusals_ > kRefusalsLogged)
      log::Line(log::Level::warning, "not_let_in").kv("others", refusals_ - kRefusalsLogged);
    refusals_since_ = now;
    refusals_ = 0;
  }
  if (++refusals_ <= kRefusalsLogged)
    log::Line(log::Level::warning, "not_let_in")
        .kv("role", ipc::name_of(carrier.role))
        .kv("uid", carrier.uid)
        .kv("reply", reply.one_line());
  answer(number, id, reply);
}

bool Intake::submit(std::uint64_t number, Peer& peer, std::string_view payload) {
  ipc::Submit frame;
  if (!ipc::decode(payload, frame) || !has_sane_size(frame.envelope) || frame.id.value == 0)
    return false;
  if (frame.content.size() > ipc::kInlineContentMax) return false;
  std::optional<Carrier> carrier = carrier_of(peer, frame.id);
  if (!carrier) return false;
  note_past_data(peer, frame.past_data);
  NewMessage message;
  fill(message, frame.id, std::move(frame.envelope), std::move(frame.arrival));
  message.info.size = frame.content.size();
  mark_announced(peer, message);
  mark_filtered(peer, message);
  std::optional<mail::Reply> refusal = refusal_for(*carrier, message);
  if (!refusal && !may_have_lone_line_ends(message.info.envelope) &&
      mail::has_lone_line_end(frame.content))
    refusal = lone_line_end_reply();
  if (refusal) {
    refuse(number, frame.id, *carrier, *refusal);
    return true;
  }
  message.content = received_field(*carrier, rules_, message);
  message.content += frame.content;
  message.info.size = message.content.size();
  message.info.eight_bit = !is_ascii(message.content);
  if (message.info.envelope.reverse_path.is_null())
    mark_double_bounce(message, mail::is_double_bounce(message.content));
  if (is_local(carrier->role)) {
    std::string_view start = message.content;
    std::string_view header = start.substr(0, mail::header_end(start));
    mark_given_back(carrier->role, mail::count_hops(header, rules_.hostname).own, message);
  }
  std::size_t octets = payload.size();
  begin_work(number, peer, 1, octets);
  hand_on(number, frame.id, std::move(message),
          [this, work = peer.work, octets](AcceptEnd) { end_work(work, 1, octets); });
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

namespace {

// What RefusalBook of smtpd keeps to; the history's table refuses anything else.
bool is_sane(const ipc::Refusal& refusal) {
  if (refusal.count == 0) return false;
  for (const std::string* text :
       {&refusal.client, &refusal.name, &refusal.listener, &refusal.sender, &refusal.recipient,
        &refusal.stage, &refusal.reply.text, &refusal.reason})
    if (text->size() > ipc::kRefusalTextMax || text->find('\0') != std::string::npos) return false;
  return ipc::decode_judgements(refusal.judgements).has_value();
}

}  // namespace

// For the history only; nothing is decided by it.
bool Intake::refusals(Peer& peer, std::string_view payload) {
  ipc::Refusals frame;
  if (!peer.counts || !ipc::decode(payload, frame) || frame.refusals.size() > ipc::kRefusalsInFrame)
    return false;
  for (const ipc::Refusal& refusal : frame.refusals)
    if (!is_sane(refusal)) return false;
  for (const ipc::Refusal& refusal : frame.refusals) queue_.recorder().history().refused(refusal);
  return true;
}

void Intake::count_sessions() {
  std::uint64_t sum = 0;
  for (const auto& [number, peer] : peers_) sum += peer.sessions;
  queue_.metrics().sessions = sum;
}

bool Intake::queue_import(Peer& peer, std::string_view payload) {
  ipc::QueueImport frame;
  bool good = peer.role == ipc::Role::queue_import && ipc::decode(payload, frame) &&
              frame.kind <= static_cast<std::uint8_t>(MessageKind::double_bounce) &&
              frame.held_for.size() <= kHeldForMax;
  if (good) peer.imported = std::move(frame);
  return good;
}

bool Intake::drop_owner(Peer& peer, std::string_view payload) {
  ipc::DropOwner frame;
  bool good = peer.role == ipc::Role::pickup && ipc::decode(payload, frame);
  if (good) peer.owner = frame;
  return good;
}

bool Intake::hold(Peer& peer, std::string_view payload) {
  ipc::Hold frame;
  if (peer.role != ipc::Role::smtpd || !ipc::decode(payload, frame)) return false;
  frame.why = one_line(frame.why, kHeldForMax);
  peer.hold = std::move(frame);
  return true;
}

bool Intake::judged(Peer& peer, std::string_view payload) {
  ipc::Judged frame;
  if (peer.role != ipc::Role::smtpd || !ipc::decode(payload, frame) ||
      !ipc::decode_judgements(frame.judgements))
    return false;
  peer.judged = {frame.id, std::string(frame.judgements)};
  return true;
}

void Intake::mark_filtered(Peer& peer, NewMessage& message) {
  if (peer.hold && peer.hold->id == message.info.id) {
    message.held_for = std::move(peer.hold->why);
    peer.hold.reset();
  }
  if (peer.judged.id != message.info.id) return;
  message.judgements = std::move(peer.judged.octets);
  peer.judged = {};
}

// For the history only; what the gate would not let in is nothing to be told of.
bool Intake::discarded(Peer& peer, std::string_view payload) {
  ipc::Discarded frame;
  if (peer.role != ipc::Role::smtpd || !ipc::decode(payload, frame) ||
      !has_sane_size(frame.envelope) || frame.id.value == 0 || frame.size > kContentSizeMax ||
      frame.header.size() > ipc::kDiscardedHeaderMax || frame.filter.size() > ipc::kDiscarderMax ||
      !ipc::decode_judgements(frame.judgements))
    return false;
  NewMessage message;
  fill(message, frame.id, std::move(frame.envelope), std::move(frame.arrival));
  message.info.size = frame.size;
  message.judgements = frame.judgements;
  auto same_id = [&frame] { return frame.id; };
  Carrier carrier{peer.role, peer.uid, {}};
  GateRules rules = rules_;
  rules.own_bags = rules.open_bags = mail::kAllBags;  // it is put into none
  if (judge(carrier, rules, wall_now(), same_id, message)) return true;
  queue_.recorder().discarded(message, frame.header, one_line(frame.filter, ipc::kDiscarderMax));
  return true;
}

bool Intake::decided(Peer& peer, std::string_view payload) {
  ipc::Decided frame;
  bool good = ipc::decode(payload, frame);
  if (good) peer.decided = std::move(frame);
  return good;
}

// What was said of it comes with the message.
void Intake::mark_announced(Peer& peer, NewMessage& message) {
  if (peer.decided && peer.decided->id == message.info.id) {
    for (ipc::DecidedRecipient& one : peer.decided->recipients)
      if (one.index < message.recipients.size())
        message.recipients[one.index].recipient.decided = std::move(one.reply);
    peer.decided.reset();
  }
  if (!peer.imported || peer.imported->id != message.info.id) return;
  message.restored = true;
  message.info.kind = static_cast<MessageKind>(peer.imported->kind);
  message.held_for = std::move(peer.imported->held_for);
  message.local = peer.imported->unjudged;
  peer.imported.reset();
}

// For smtpd: who may submit as sendmail does is anybody on this machine.
bool Intake::probe(std::uint64_t number, Peer& peer, std::string_view payload) {
  ipc::Probe frame;
  if (!peer.counts || !ipc::decode(payload, frame) || !frame.recipient.has_domain() ||
      !is_recipient(frame.recipient))
    return false;
  probes_.ask(frame.recipient, [this, number, request = frame.request](ipc::ProbeVerdict verdict,
                                                                       const mail::Reply& reply) {
    auto asker = peers_.find(number);
    if (asker != peers_.end())
      asker->second.connection->send(ipc::ProbeResult{request, verdict, reply});
  });
  return true;
}

void Intake::hand_on(std::uint64_t number, mail::QueueId id, NewMessage message,
                     std::function<void(AcceptEnd)> on_end) {
  mail::QueueId real = message.info.id;
  if (!real.is_in(rules_.own_bags)) {
    if (on_end) on_end(AcceptEnd::failed);
    return answer(number, id, bag_moved_reply());
  }
  // What was counted once is not counted again.
  std::string account = message.restored ? std::string() : message.info.arrival.account;
  auto recipients = static_cast<std::uint32_t>(message.recipients.size());
  AccountLimits::Verdict verdict = limits_.count(account, recipients, mono_now());
  if (verdict.report)
    log::Line(log::Level::warning, "account_over_rate")
        .kv("account", account)
        .kv("id", real.text())
        .kv("action", verdict.kind == AccountLimits::Kind::hold ? "hold" : "refuse")
        .kv("reason", verdict.reason)
        .kv("config", verdict.origin.text());
  if (verdict.kind == AccountLimits::Kind::refuse) {
    if (on_end) on_end(AcceptEnd::failed);
    return answer(number, id, {450, {4, 7, 1}, "Your account sends too much, try again later"});
  }
  if (verdict.kind == AccountLimits::Kind::hold) message.held_for = verdict.reason;
  bool counted = verdict.kind == AccountLimits::Kind::pass;
  queue_.acceptance().accept(std::move(message),
                             [this, number, id, real, account, recipients, counted,
                              on_end = std::move(on_end)](AcceptEnd end) {
                               // The same once more, or nothing at all: it does not count.
                               if (counted && end != AcceptEnd::stored)
                                 limits_.give_back(account, recipients, mono_now());
                               if (on_end) on_end(end);
                               answer(number, id, reply_for(end, real));
                             });
}

bool Intake::open(std::uint64_t number, Peer& peer, std::string_view payload) {
  ipc::SubmitOpen frame;
  if (!ipc::decode(payload, frame) || !has_sane_size(frame.envelope) || frame.id.value == 0)
    return false;
  if (peer.transactions.size() >= peer.work->limits.transactions ||
      peer.transactions.contains(frame.id))
    return false;
  std::optional<Carrier> carrier = carrier_of(peer, frame.id);
  if (!carrier) return false;
  Transaction transaction;
  NewMessage& message = transaction.message;
  fill(message, frame.id, std::move(frame.envelope), std::move(frame.arrival));
  message.info.in_file = true;
  mark_announced(peer, message);
  std::optional<mail::Reply> refusal = refusal_for(*carrier, message);
  if (!refusal && under_way_.contains(message.info.id)) refusal = ipc::id_in_use_reply();
  if (refusal) {
    refuse(number, frame.id, *carrier, *refusal);
    return true;
  }
  transaction.lent = peer.counts;
  UploadRules rules;
  rules.head = received_field(*carrier, rules_, message);
  rules.hostname = rules_.hostname;
  // What smtpd writes itself it has looked at itself, and what leaves is looked at again.
  rules.whole_line_ends = !transaction.lent && !may_have_lone_line_ends(message.info.envelope);
  rules.header_max = fair_share(kHeadersOfChunks, under_way_.size() + 1);
  if (is_local(peer.role) && rules_.message_size > 0) rules.size_max = rules_.message_size;
  transaction.upload =
      std::make_shared<Upload>(queue_.content().files(), message.info.id, std::move(rules));
  transaction.work = peer.work;
  under_way_.insert(message.info.id);
  begin_work(number, peer, 1, 0);
  begin_upload(number, frame.id, transaction);
  peer.transactions.emplace(frame.id, std::move(transaction));
  return true;
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
  queue_.store().set_past_data(sum);
}

}  // namespace postwain::qmgr
