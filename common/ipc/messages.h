// Every message between our processes. Names say who asks and what happened. Changing anything here
// means raising kProtocolVersion (role.h): peers of another version are refused at hello, but for
// those whose frames are still the same (oldest_version).
//
// A std::string_view field of a decoded message points into the frame it came from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/ipc/role.h"
#include "common/mail/ability.h"
#include "common/mail/envelope.h"
#include "common/mail/next_hop.h"
#include "common/mail/outcome.h"
#include "common/mail/queue_id.h"
#include "common/mail/reported/signing_record.h"
#include "common/mail/stage_times.h"
#include "common/mail/sts_policy.h"
#include "common/mail/tls_result.h"
#include "common/mail/transport.h"

namespace postwain::ipc {

constexpr std::size_t kFrameMax = 8U << 20;  // a frame larger than this closes the connection
constexpr std::size_t kLocalRecipientsMax = 20'000;   // of a message from a program of this machine
constexpr std::size_t kInlineContentMax = 64U << 10;  // larger content is in a file
constexpr std::size_t kHeaderApartMax = 1U << 20;     // a larger header section stays with the body
constexpr std::size_t kContentChunk = 64U << 10;
constexpr std::size_t kSubmitWindow = 512U << 10;  // unconfirmed content bytes of one transaction

// Which open file comes with a frame. Descriptors travel beside the frames, and one that a process
// has no room for is lost; so the frame says which is its own.
struct FileMark {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool operator==(const FileMark&) const = default;
};

enum class FrameType : std::uint16_t {
  hello = 1,
  welcome = 2,
  // intake: smtpd and sendmail to qmgr
  decided = 9,
  submit = 10,
  submit_open = 11,
  submit_chunk = 12,
  submit_end = 13,
  submit_abort = 14,
  probe = 15,
  queue_import = 16,
  receiver_counts = 17,
  drop_owner = 18,
  refusals = 19,  // refusals.h
  submit_final = 25,
  hold = 26,
  judged = 27,     // judgements.h
  discarded = 28,  // the same
  open_bags = 29,  // qmgr to smtpd
  // qmgr to intake
  submit_result = 20,
  chunks_stored = 21,
  admission = 22,
  probe_result = 23,
  submit_file = 24,
  // delivery: qmgr to agent
  lease = 30,
  content = 31,
  token = 32,
  connection_grant = 33,
  connection_wanted = 34,
  nothing_more = 35,
  word = 36,
  // agent to qmgr
  content_request = 40,
  outcomes = 41,
  late_outcomes = 42,
  token_request = 43,
  // agent to qmgr, and passed on to the reporter
  tls_results = 44,
  // agent to qmgr
  connection_request = 45,
  connection_end = 46,
  draining = 48,
  // filter to qmgr, and passed on to the reporter (dmarc_results.h)
  dmarc_results = 47,
  // control: command line and supervisor, both directions
  control_request = 50,
  control_reply = 51,
  config_update = 52,
  // filter to qmgr
  filter_report = 58,  // filter_report.h
  // from qmgr, with a descriptor: the way to a peer with whom a process speaks directly
  peer_link = 59,
  // smtpd to filter (filter_messages.h)
  filter_session = 60,
  filter_event = 61,
  filter_header = 62,
  filter_body = 63,
  filter_abort = 64,
  filter_quit = 65,
  filter_window = 66,  // in both directions
  // filter to smtpd
  filter_wants = 67,
  filter_answer = 68,
  filter_body_piece = 69,
  filter_result = 70,
  // between `signer` and those who need signatures (signer_messages.h)
  signer_keys = 71,
  sign_request = 72,
  sign_reply = 73,
  // signer to qmgr
  signer_report = 74,  // signer_report.h
  // reporter to qmgr
  reporter_report = 75,  // reporter_report.h
};

struct Hello {
  static constexpr FrameType kType = FrameType::hello;
  std::uint16_t version = kProtocolVersion;
  Role role = Role::control;
  std::uint32_t pid = 0;
  std::string name;  // "smtpd[0]"
};

// The first frame qmgr sends; anything else instead of it, or the end, is a refusal.
struct Welcome {
  static constexpr FrameType kType = FrameType::welcome;
  std::uint16_t version = kProtocolVersion;
  std::uint16_t worker = 0;  // for QueueIdSource
};

// How the message came in; becomes part of history and log.
struct Arrival {
  std::string protocol;        // "ESMTP", "ESMTPSA", "local" …
  std::string client_address;  // "192.0.2.7", empty for local submission
  std::string client_name;     // what EHLO said
  std::string account;         // authenticated user, empty when none
  WallTime received_at{};
};

// A whole transaction with small content in one frame. id repeats safely: the same id is stored
// once. To sendmail it is only a name for the transaction: the message gets its id from qmgr, which
// stands in the text of the reply.
struct Submit {
  static constexpr FrameType kType = FrameType::submit;
  mail::QueueId id;
  std::uint32_t past_data =
      0;  // sessions of this process that have sent DATA and wait for a commit, this one included
  mail::Envelope envelope;
  Arrival arrival;
  bool eight_bit = false;    // content has a byte above 127
  std::string_view content;  // as to be delivered: CRLF lines, our Received field first
};

// The same for large content: open, the content, the end. smtpd gets the file (SubmitFile), writes
// the body into it itself, and ends with SubmitFinal. Others (whoever may submit as sendmail is
// anybody) send chunks and SubmitEnd; qmgr confirms stored bytes, and not more than kSubmitWindow
// may be open.
struct SubmitOpen {
  static constexpr FrameType kType = FrameType::submit_open;
  mail::QueueId id;
  mail::Envelope envelope;
  Arrival arrival;
};
struct SubmitChunk {
  static constexpr FrameType kType = FrameType::submit_chunk;
  mail::QueueId id;
  std::string_view content;
};
// To smtpd, with a descriptor: the body goes there, from the beginning. SubmitResult instead of it:
// there is none, and the transaction is over.
struct SubmitFile {
  static constexpr FrameType kType = FrameType::submit_file;
  mail::QueueId id;
  FileMark file{};
};
struct SubmitEnd {
  static constexpr FrameType kType = FrameType::submit_end;
  mail::QueueId id;
  std::uint32_t past_data = 0;
  bool eight_bit = false;
  std::uint64_t size = 0;  // of the whole content; a difference refuses the transaction
};
// The end of a transaction whose file was lent. The header section and the last word on the
// envelope travel here, behind the body, so that whoever judges a whole message may still change
// both and leaves the file alone.
struct SubmitFinal {
  static constexpr FrameType kType = FrameType::submit_final;
  mail::QueueId id;
  std::uint32_t past_data = 0;
  bool eight_bit = false;       // the file has a byte above 127
  std::uint64_t file_size = 0;  // a difference refuses the transaction
  // Instead of that of SubmitOpen, with its recipients.
  std::optional<mail::Envelope> envelope;
  // Goes before what is in the file: up to the body, kHeaderApartMax at most. Empty: the file holds
  // the header section, too.
  std::string_view header;
};
// In front of the end of a transaction of that id, by smtpd: a filter wants it held, and why.
struct Hold {
  static constexpr FrameType kType = FrameType::hold;
  mail::QueueId id;
  std::string why;
};
struct SubmitAbort {
  static constexpr FrameType kType = FrameType::submit_abort;
  mail::QueueId id;
};

// In front of a submission of that id: it has been in a queue before. Its recipients stand for
// nothing else any more, and it counts for nobody.
struct QueueImport {
  static constexpr FrameType kType = FrameType::queue_import;
  mail::QueueId id;
  std::uint8_t kind = 0;  // qmgr::MessageKind
  std::string held_for;   // not empty: held, and why
  bool unjudged = false;  // the filters for mail of its machine had not been asked about it yet
};

// In front of a submission of that id, by pickup: whose file it was, as the kernel says.
struct DropOwner {
  static constexpr FrameType kType = FrameType::drop_owner;
  mail::QueueId id;
  std::uint32_t uid = 0;
};

// In front of a submission of that id: recipients of whom nobody needs to be asked any more. 250:
// the mail is discarded; 5yz: it fails with this reply at once.
struct DecidedRecipient {
  std::uint32_t index = 0;  // in the envelope
  mail::Reply reply;
};
struct Decided {
  static constexpr FrameType kType = FrameType::decided;
  mail::QueueId id;
  std::vector<DecidedRecipient> recipients;
};
// Of the envelope's recipients; nothing where all of them are still to be asked.
std::optional<Decided> decided_in(mail::QueueId id, const mail::Envelope& envelope);

// Of smtpd, every few seconds: what it has counted since the last time.
struct ReceiverCounts {
  static constexpr FrameType kType = FrameType::receiver_counts;
  std::uint32_t sessions = 0;          // open at the moment
  std::vector<std::uint64_t> numbers;  // by Counted; a frame with another number of them is refused
};

// code 250: committed and synced. Anything else: not accepted, the reply is for the client.
struct SubmitResult {
  static constexpr FrameType kType = FrameType::submit_result;
  mail::QueueId id;
  mail::Reply reply;
};
struct ChunksStored {
  static constexpr FrameType kType = FrameType::chunks_stored;
  mail::QueueId id;
  std::uint64_t bytes = 0;  // total so far
};
// Sent after welcome and at each change. While refusing, smtpd answers MAIL with the reply
// (452 4.3.1, 451 4.3.0).
struct Admission {
  static constexpr FrameType kType = FrameType::admission;
  bool accepting = true;
  mail::Reply refusal;
};

// To smtpd, of a queue that several nodes share: the bags that ids of new messages may be of from
// now on (QueueIdSource::keep_to). Before the first one, and without a shared queue: all.
struct OpenBags {
  static constexpr FrameType kType = FrameType::open_bags;
  std::uint64_t bags = mail::kAllBags;
};

// Does this recipient exist? qmgr asks the next hop, or knows it from before. The answer may take
// half a minute.
struct Probe {
  static constexpr FrameType kType = FrameType::probe;
  std::uint64_t request = 0;
  mail::Address recipient;
};
enum class ProbeVerdict : std::uint8_t { good, bad, undecided };
struct ProbeResult {
  static constexpr FrameType kType = FrameType::probe_result;
  std::uint64_t request = 0;
  ProbeVerdict verdict = ProbeVerdict::undecided;
  mail::Reply reply;  // for the client
};

struct LeaseRecipient {
  std::uint32_t index =
      0;  // number of the recipient within its message; stable for the message's life
  mail::Recipient recipient;
};

// One attempt at one next hop for some recipients of one message. The agent answers with exactly
// one outcome for each.
struct Lease : mail::Transport {
  static constexpr FrameType kType = FrameType::lease;
  std::uint64_t lease = 0;
  mail::QueueId id;
  mail::Envelope envelope;  // its recipients list is empty; see recipients
  std::vector<LeaseRecipient> recipients;
  WallTime received_at{};
  std::optional<Arrival> arrival;  // where the next hop is told of it (Transport::xforward)
  // What qmgr has kept of the domain's policy, for routing by MX.
  std::optional<mail::StsPolicy> sts;
  std::uint64_t size = 0;
  bool eight_bit = false;
  bool inlined =
      false;  // content is the whole content; otherwise it is asked for with ContentRequest
  std::string_view content;
  bool probe =
      false;  // smtp::Transaction::probe; there is no message, and late news interest nobody
};
struct ContentRequest {
  static constexpr FrameType kType = FrameType::content_request;
  std::uint64_t lease = 0;
  // Not a request: the file that came is shorter than the lease said, or cannot be read, and the
  // attempt ends. No answer.
  bool unreadable = false;
};
struct Content {
  static constexpr FrameType kType = FrameType::content;
  enum class Kind : std::uint8_t {
    whole,   // `content` is all of it
    file,    // a descriptor comes with this frame, for reading only; `content` goes before the file
    missing  // it cannot be had: the attempt must stop without an end of data
  };
  std::uint64_t lease = 0;
  Kind kind = Kind::missing;
  std::string_view content;
  FileMark file{};
};

// The access token of a credential whose secret is a command. A delivery client asks qmgr, qmgr
// asks the process that runs such commands, and only those that stand in a route.
struct TokenRequest {
  static constexpr FrameType kType = FrameType::token_request;
  std::uint64_t request = 0;
  std::string command;
  bool refused = false;  // the next hop did not take the one of last time
};
struct Token {
  static constexpr FrameType kType = FrameType::token;
  std::uint64_t request = 0;
  std::string token;    // empty: there is none …
  std::string trouble;  // … for this reason
};

// Leave to open a TCP connection where the route bounds them (mail::Bounds): all agents together
// may have so many, so qmgr counts. An agent asks before it connects, and tells when the connection
// is gone, the peer's end of it included, or not needed any more.
struct ConnectionBound {
  std::string group;             // connections of one group count together
  std::uint32_t most = 0;        // at a time; 0: no limit
  std::uint32_t rate_count = 0;  // new ones per rate_period; 0: no limit
  Duration rate_period{};
};
struct ConnectionRequest {
  static constexpr FrameType kType = FrameType::connection_request;
  static constexpr std::size_t kBoundsMax = 2;
  std::uint64_t request = 0;  // never repeats while the agent lives
  std::uint64_t owner = 0;    // for which part of the agent; they take turns
  // Not a request: the connection is open, and this is a new qmgr, which has to know.
  bool held = false;
  std::vector<ConnectionBound> bounds;  // one at least, kBoundsMax at most
};
// The answer, once, when there is a place.
struct ConnectionGrant {
  static constexpr FrameType kType = FrameType::connection_grant;
  std::uint64_t request = 0;
};
struct ConnectionEnd {
  static constexpr FrameType kType = FrameType::connection_end;
  std::uint64_t request = 0;
};
// Somebody else waits: one of this owner's connections is to end, at once if nobody uses it, else
// when it has had its turn.
struct ConnectionWanted {
  static constexpr FrameType kType = FrameType::connection_wanted;
  std::uint64_t owner = 0;
};

// To an agent, of a queue that several nodes share: the proof that this node's part of the queue
// was still its own when `sent_ms` was read from CLOCK_BOOTTIME. It comes before the first lease
// and about twice a second. Whoever has had one sends no end of data while the last one is older
// than `good_ms` (doc/cluster.md, "What may have been delivered"); fenced: never again. Without a
// shared queue there is none, and nothing to look at.
struct Word {
  static constexpr FrameType kType = FrameType::word;
  std::int64_t sent_ms = 0;  // in the past of this machine's CLOCK_BOOTTIME
  std::uint32_t good_ms = 0;
  bool fenced = false;
};
// An agent is about to end, and is to be lent nothing more. What was lent to it before that was
// read is still on its way: it reads on, and gives that back. Said once on a connection. Also of
// `filter` over its links: no message is to be begun there any more.
struct Draining {
  static constexpr FrameType kType = FrameType::draining;
};
// The answer: no lease, or message, comes behind this frame. Who ends without having read it may
// leave a lease unread, of which qmgr would have to say that it was perhaps carried out.
struct NothingMore {
  static constexpr FrameType kType = FrameType::nothing_more;
};

struct RecipientOutcome {
  std::uint32_t index = 0;
  mail::Outcome outcome;
};
// Sent as replies arrive; `done` with the last one returns the lease. Each recipient of the lease
// exactly once.
struct Outcomes {
  static constexpr FrameType kType = FrameType::outcomes;
  std::uint64_t lease = 0;
  bool done = false;
  std::vector<RecipientOutcome> outcomes;
  // With done, for routing by MX: the names of the hosts behind the domain, sorted, joined with
  // commas. Domains that share them share limits. Empty: not known.
  std::string mx_set;
  // The same: a policy that was fetched anew, to be kept.
  std::optional<mail::StsPolicy> sts{};
  // The same, for any next hop: what the host that was spoken to is found unable to do, if
  // anything.
  std::optional<mail::HostLacks> lacks{};
  // The same: how many attempts its connection makes use of, as it looks now: those on their way at
  // a time, and the next one. 0: not known.
  std::uint32_t flight = 0;
  mail::StageTimes times{};  // of the attempt, up to now
  // By which keys the attempt was signed. One that is not sound does not decode.
  mail::SigningRecord signing{};
};
// How connections ended that have been made since the last of these frames. Lost ones are lost: no
// mail hangs on them.
struct TlsResults {
  static constexpr FrameType kType = FrameType::tls_results;
  std::vector<mail::CountedTlsResult> results;
};
// After a lost qmgr connection, directly after hello: what leases of the former qmgr ended with
// meanwhile, and whose end is still awaited (these must not be leased again until their
// late_outcomes arrive or this agent goes away).
struct LateOutcomes {
  static constexpr FrameType kType = FrameType::late_outcomes;
  mail::QueueId id;
  std::vector<RecipientOutcome> outcomes;
  std::vector<std::uint32_t> still_running;
};

// JSON values; a request may have several replies, `last` with the final one (and `exit_code` for
// the command line).
struct ControlRequest {
  static constexpr FrameType kType = FrameType::control_request;
  std::uint64_t request = 0;
  std::string json;
};
struct ControlReply {
  static constexpr FrameType kType = FrameType::control_reply;
  std::uint64_t request = 0;
  bool last = true;
  std::uint8_t exit_code = 0;
  std::string json;
};
// Supervisor to qmgr at reload: the new configuration bundle (common/config/load/bundle.h).
struct ConfigUpdate {
  static constexpr FrameType kType = FrameType::config_update;
  std::uint64_t request = 0;  // answered with a control_reply
  std::string bundle;
};

// With a descriptor, which is this process's end of a link to that other process: the two talk over
// it, and qmgr never reads there. A new link to the same role takes the place of the one before.
struct PeerLink {
  static constexpr FrameType kType = FrameType::peer_link;
  std::string peer;  // what the process at the other end calls itself: "smtpd[0]"
  // As what it came to qmgr, so that a name promises nothing. qmgr itself is Role::control.
  Role role = Role::smtpd;
  FileMark file{};
};

// Appends one frame: u32 length of what follows, u16 type, message. False: the message does not fit
// into a frame (kFrameMax), and `out` is as it was. What stands in the queue decides how large some
// messages are, so this is never a bug that may end a process.
template <class Message>
[[nodiscard]] bool append_frame(std::string& out, const Message& message);

// Decodes the payload (behind the type) of a frame; false when it is not exactly one such message.
template <class Message>
[[nodiscard]] bool decode(std::string_view payload, Message& message);

// Cuts frames from a byte stream. data is only looked at; consumed says how much of it one frame
// took.
enum class FrameState : std::uint8_t { complete, incomplete, broken };
struct Frame {
  FrameType type{};
  std::string_view payload;
  std::size_t consumed = 0;
};
FrameState next_frame(std::string_view data, Frame& frame);

}  // namespace postwain::ipc
