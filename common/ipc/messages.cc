#include "common/ipc/messages.h"

#include "common/ipc/coding.h"
#include "common/ipc/judgements.h"
#include "common/ipc/refusals.h"

namespace postwain {

// visit() of the vocabulary: found by argument-dependent look-up, so it stands in the types' own
// namespace.
namespace mail {

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, QueueId>
void visit(A& a, T& v) {
  a.number(v.value);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, Address>
void visit(A& a, T& v) {
  if constexpr (A::kDecoding)
    v = Address::from_text(a.view());
  else
    a.bytes(v.text());
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, Notify>
void visit(A& a, T& v) {
  ipc::field(a, v.bits);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, Recipient>
void visit(A& a, T& v) {
  visit_fields(v, [&a](const FieldName&, auto& value) { ipc::field(a, value); });
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, Envelope>
void visit(A& a, T& v) {
  visit_fields(v, [&a](const FieldName&, auto& value) { ipc::field(a, value); });
  ipc::list_field(a, v.recipients);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, Outcome>
void visit(A& a, T& v) {
  ipc::enum_field(a, v.disposition, Disposition::failed);
  ipc::enum_field(a, v.stage, Stage::final_reply);
  ipc::enum_field(a, v.blame, Blame::message);
  ipc::fields(a, v.in_doubt, v.reply, v.remote_host, v.remote_address, v.tls, v.dsn_passed_on);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, MadeSignature>
void visit(A& a, T& v) {
  ipc::fields(a, v.domain, v.selector, v.algorithm);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, SigningRecord>
void visit(A& a, T& v) {
  ipc::fields(a, v.end, v.instance);
  ipc::list_field(a, v.signatures);
  if constexpr (A::kDecoding) {
    if (!v.is_sound()) a.fail();
  }
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, HopHost>
void visit(A& a, T& v) {
  ipc::fields(a, v.host, v.port, v.literal, v.unix_path, v.weight, v.implicit_tls);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, NextHop>
void visit(A& a, T& v) {
  ipc::enum_field(a, v.kind, HopKind::lmtp);
  ipc::field(a, v.domain);
  ipc::list_field(a, v.hosts);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, Credential>
void visit(A& a, T& v) {
  ipc::enum_field(a, v.kind, Credential::Kind::command);
  ipc::fields(a, v.user, v.secret);
  ipc::list_field(a, v.mechanisms);
  ipc::field(a, v.without_tls);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, AbilitySet>
void visit(A& a, T& v) {
  std::uint16_t bits = v.bits();
  ipc::field(a, bits);
  if constexpr (A::kDecoding) v = AbilitySet::from_bits(bits);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, HostLacks>
void visit(A& a, T& v) {
  ipc::fields(a, v.host, v.lacks);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, Bounds>
void visit(A& a, T& v) {
  ipc::fields(a, v.connections, v.in_flight, v.rate_count);
  ipc::duration_field(a, v.rate_period);
  ipc::fields(a, v.route_connections, v.route);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, Transport>
void visit(A& a, T& v) {
  ipc::field(a, v.hop);
  ipc::enum_field(a, v.tls, kTlsLevelLast);
  ipc::fields(a, v.require_tls, v.one_by_one);
  ipc::list_field(a, v.sources);
  ipc::enum_field(a, v.family, Family::ipv6_first);
  ipc::field(a, v.avoid);
  ipc::list_field(a, v.fields.removed);
  ipc::fields(a, v.fields.added, v.xforward, v.sign, v.bounds);
  ipc::fields(a, v.credential, v.certificate.chain, v.certificate.key);
  ipc::list_field(a, v.fallback);
  ipc::enum_field(a, v.fallback_tls, kTlsLevelLast);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, StsPolicy>
void visit(A& a, T& v) {
  ipc::field(a, v.id);
  ipc::enum_field(a, v.mode, StsPolicy::Mode::enforce);
  ipc::list_field(a, v.hosts);
  ipc::field(a, v.max_age);
  ipc::time_field(a, v.fetched_at);
}

template <class A, class T>
requires std::is_same_v<std::remove_const_t<T>, CountedTlsResult>
void visit(A& a, T& v) {
  auto& result = v.result;
  ipc::field(a, result.domain);
  ipc::enum_field(a, result.policy.type, ReportedPolicy::Type::sts);
  ipc::field(a, result.policy.domain);
  ipc::list_field(a, result.policy.lines);
  ipc::list_field(a, result.policy.hosts);
  ipc::enum_field(a, result.end, kTlsEndLast);
  ipc::fields(a, result.mx_host, result.address, result.source, result.reason, v.count);
}

}  // namespace mail

namespace ipc {

PW_VISIT(Hello) {
  field(a, v.version);
  enum_field(a, v.role, kRoleLast);
  fields(a, v.pid, v.name);
}
PW_VISIT(Welcome) {
  fields(a, v.version, v.worker);
}
PW_VISIT(Arrival) {
  fields(a, v.protocol, v.client_address, v.client_name, v.account);
  time_field(a, v.received_at);
}
PW_VISIT(Submit) {
  fields(a, v.id, v.past_data, v.envelope, v.arrival, v.eight_bit, v.content);
}
PW_VISIT(SubmitOpen) {
  fields(a, v.id, v.envelope, v.arrival);
}
PW_VISIT(SubmitChunk) {
  fields(a, v.id, v.content);
}
PW_VISIT(SubmitEnd) {
  fields(a, v.id, v.past_data, v.eight_bit, v.size);
}
PW_VISIT(SubmitFinal) {
  fields(a, v.id, v.past_data, v.eight_bit, v.file_size);
  optional_field(a, v.envelope);
  field(a, v.header);
}
PW_VISIT(Hold) {
  fields(a, v.id, v.why);
}
PW_VISIT(Judged) {
  fields(a, v.id, v.judgements);
}
PW_VISIT(Discarded) {
  fields(a, v.id, v.envelope, v.arrival, v.size, v.filter, v.header, v.judgements);
}
PW_VISIT(FileMark) {
  fields(a, v.device, v.inode);
}
PW_VISIT(SubmitFile) {
  fields(a, v.id, v.file);
}
PW_VISIT(PeerLink) {
  fields(a, v.peer, v.role, v.file);
}
PW_VISIT(SubmitAbort) {
  field(a, v.id);
}
PW_VISIT(SubmitResult) {
  fields(a, v.id, v.reply);
}
PW_VISIT(ChunksStored) {
  fields(a, v.id, v.bytes);
}
PW_VISIT(Admission) {
  fields(a, v.accepting, v.refusal);
}
PW_VISIT(Probe) {
  fields(a, v.request, v.recipient);
}
PW_VISIT(ProbeResult) {
  field(a, v.request);
  enum_field(a, v.verdict, ProbeVerdict::undecided);
  field(a, v.reply);
}
PW_VISIT(LeaseRecipient) {
  fields(a, v.index, v.recipient);
}
PW_VISIT(Lease) {
  fields(a, v.lease, v.id);
  std::conditional_t<A::kDecoding, mail::Transport&, const mail::Transport&> transport = v;
  fields(a, transport, v.envelope);
  list_field(a, v.recipients);
  time_field(a, v.received_at);
  optional_field(a, v.arrival);
  optional_field(a, v.sts);
  fields(a, v.size, v.eight_bit, v.inlined, v.content, v.probe);
}
PW_VISIT(QueueImport) {
  fields(a, v.id, v.kind, v.held_for, v.unjudged);
}
PW_VISIT(DecidedRecipient) {
  fields(a, v.index, v.reply);
}
PW_VISIT(Decided) {
  field(a, v.id);
  list_field(a, v.recipients);
}
PW_VISIT(DropOwner) {
  fields(a, v.id, v.uid);
}
PW_VISIT(ReceiverCounts) {
  field(a, v.sessions);
  list_field(a, v.numbers);
}
PW_VISIT(Refusal) {
  fields(a, v.at, v.count, v.client, v.name, v.listener, v.sender, v.recipient, v.stage, v.reply,
         v.reason, v.judgements);
}
PW_VISIT(Refusals) {
  list_field(a, v.refusals);
}
PW_VISIT(ContentRequest) {
  fields(a, v.lease, v.unreadable);
}
PW_VISIT(Content) {
  field(a, v.lease);
  enum_field(a, v.kind, Content::Kind::missing);
  fields(a, v.content, v.file);
}
PW_VISIT(TokenRequest) {
  fields(a, v.request, v.command, v.refused);
}
PW_VISIT(ConnectionBound) {
  fields(a, v.group, v.most, v.rate_count);
  duration_field(a, v.rate_period);
}
PW_VISIT(ConnectionRequest) {
  fields(a, v.request, v.owner, v.held);
  list_field(a, v.bounds);
}
PW_VISIT(ConnectionGrant) {
  field(a, v.request);
}
PW_VISIT(ConnectionEnd) {
  field(a, v.request);
}
PW_VISIT(ConnectionWanted) {
  field(a, v.owner);
}
PW_VISIT(Draining) {}
PW_VISIT(NothingMore) {}
PW_VISIT(OpenBags) {
  fields(a, v.bags);
}
PW_VISIT(Word) {
  fields(a, v.sent_ms, v.good_ms, v.fenced);
}
PW_VISIT(Token) {
  fields(a, v.request, v.token, v.trouble);
}
std::size_t octets_in(const mail::Outcome& outcome) {
  return outcome.reply.text.size() + outcome.remote_host.size() + outcome.remote_address.size() +
         outcome.tls.size();
}

// Recipients of one transaction mostly end alike: what the one before has is not said again. So
// that few octets cannot become many, what is repeated is at most a frame in all.
template <class A, class List>
void outcomes_field(A& a, List& list) {
  std::size_t repeated = 0;
  auto count = static_cast<std::uint32_t>(list.size());
  field(a, count);
  if constexpr (A::kDecoding) {
    list.clear();
    if (count > kListMax || count > a.left()) return a.fail();
  }
  for (std::size_t i = 0; i < count; ++i) {
    bool same = false;
    if constexpr (A::kDecoding) {
      if (!a.ok()) return;
      list.emplace_back();
    } else {
      same = i > 0 && list[i].outcome == list[i - 1].outcome;
    }
    fields(a, list[i].index, same);
    if (!same) {
      field(a, list[i].outcome);
    } else if constexpr (A::kDecoding) {
      if (i == 0) return a.fail();
      repeated += octets_in(list[i - 1].outcome);
      if (repeated > kFrameMax) return a.fail();
      list[i].outcome = list[i - 1].outcome;
    }
  }
}
// Most attempts pass few stages: only those, behind a mask that names them.
template <class A, class Times>
void times_field(A& a, Times& times) {
  static_assert(mail::kStages <= 16);
  std::uint16_t passed = 0;
  if constexpr (!A::kDecoding)
    for (std::size_t i = 0; i < mail::kStages; ++i)
      if (times.raw()[i] != 0) passed = static_cast<std::uint16_t>(passed | (1U << i));
  field(a, passed);
  for (std::size_t i = 0; i < mail::kStages; ++i)
    if ((passed >> i & 1U) != 0) field(a, times.raw()[i]);
}
PW_VISIT(Outcomes) {
  fields(a, v.lease, v.done, v.mx_set);
  optional_field(a, v.sts);
  optional_field(a, v.lacks);
  field(a, v.flight);
  times_field(a, v.times);
  field(a, v.signing);
  outcomes_field(a, v.outcomes);
}
PW_VISIT(TlsResults) {
  list_field(a, v.results);
}
PW_VISIT(LateOutcomes) {
  field(a, v.id);
  outcomes_field(a, v.outcomes);
  list_field(a, v.still_running);
}
PW_VISIT(ControlRequest) {
  fields(a, v.request, v.json);
}
PW_VISIT(ControlReply) {
  fields(a, v.request, v.last, v.exit_code, v.json);
}
PW_VISIT(ConfigUpdate) {
  fields(a, v.request, v.bundle);
}

PW_MESSAGE(Hello)
PW_MESSAGE(Welcome)
PW_MESSAGE(Submit)
PW_MESSAGE(SubmitOpen)
PW_MESSAGE(SubmitChunk)
PW_MESSAGE(SubmitEnd)
PW_MESSAGE(SubmitFinal)
PW_MESSAGE(SubmitFile)
PW_MESSAGE(SubmitAbort)
PW_MESSAGE(QueueImport)
PW_MESSAGE(DropOwner)
PW_MESSAGE(Decided)
PW_MESSAGE(ReceiverCounts)
PW_MESSAGE(Refusals)
PW_MESSAGE(SubmitResult)
PW_MESSAGE(ChunksStored)
PW_MESSAGE(Admission)
PW_MESSAGE(Probe)
PW_MESSAGE(ProbeResult)
PW_MESSAGE(Lease)
PW_MESSAGE(ContentRequest)
PW_MESSAGE(Content)
PW_MESSAGE(TokenRequest)
PW_MESSAGE(Token)
PW_MESSAGE(ConnectionRequest)
PW_MESSAGE(ConnectionGrant)
PW_MESSAGE(ConnectionEnd)
PW_MESSAGE(ConnectionWanted)
PW_MESSAGE(Draining)
PW_MESSAGE(NothingMore)
PW_MESSAGE(OpenBags)
PW_MESSAGE(Word)
PW_MESSAGE(Outcomes)
PW_MESSAGE(TlsResults)
PW_MESSAGE(LateOutcomes)
PW_MESSAGE(ControlRequest)
PW_MESSAGE(ControlReply)
PW_MESSAGE(ConfigUpdate)
PW_MESSAGE(PeerLink)
PW_MESSAGE(Hold)
PW_MESSAGE(Judged)
PW_MESSAGE(Discarded)

FrameState next_frame(std::string_view data, Frame& frame) {
  constexpr std::size_t kHead = sizeof(std::uint32_t) + sizeof(std::uint16_t);
  if (data.size() < kHead) return FrameState::incomplete;
  std::uint32_t length;
  std::memcpy(&length, data.data(), sizeof length);
  if (length < sizeof(std::uint16_t) || length > kFrameMax) return FrameState::broken;
  if (data.size() - sizeof length < length) return FrameState::incomplete;
  std::uint16_t type;
  std::memcpy(&type, data.data() + sizeof length, sizeof type);
  frame.type = static_cast<FrameType>(type);
  frame.payload = data.substr(kHead, length - sizeof type);
  frame.consumed = sizeof length + length;
  return FrameState::complete;
}

std::optional<Decided> decided_in(mail::QueueId id, const mail::Envelope& envelope) {
  Decided out{id, {}};
  for (std::size_t i = 0; i < envelope.recipients.size(); ++i)
    if (const mail::Reply& reply = envelope.recipients[i].decided; reply.code != 0)
      out.recipients.push_back({static_cast<std::uint32_t>(i), reply});
  if (out.recipients.empty()) return std::nullopt;
  return out;
}

}  // namespace ipc
}  // namespace postwain
