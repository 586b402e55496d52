// What smtpd and `filter` say to each other over the link that qmgr has made for them: smtpd tells
// what happens in its SMTP sessions, `filter` says what the outside filters think of it. qmgr is
// not in the way of content.
//
// Of one session everything travels in order. smtpd opens it (FilterSession), then tells the events
// of its commands (FilterEvent) and, of each message, FilterHeader, end_of_header, FilterBody …,
// end_of_message. An event that is marked as awaited gets one FilterAnswer with its number;
// end_of_message gets one FilterResult. What was under way before a FilterAbort gets no answer any
// more; after FilterQuit nothing comes of that session. A link that ends takes its sessions along.
//
// Each text and each list has a bound here. A frame beyond one is malformed, and ends the link.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ipc/messages.h"
#include "common/mail/reply.h"

namespace postwain::ipc {

// Octets of bodies that `filter` may have sent in a session without a FilterWindow of the other
// side, and the most that this one may ever send ahead.
constexpr std::size_t kFilterWindow = 256U << 10;
// So much smtpd may send in a session at first. It may send more as FilterWindow permits: how far
// ahead it may be depends on how many messages are under way.
constexpr std::size_t kFilterFirstWindow = 32U << 10;
constexpr std::size_t kFilterPieceMax = 64U << 10;    // octets of one FilterBody or FilterBodyPiece
constexpr std::size_t kFilterTextMax = 16U << 10;     // of each address, argument, line and value
constexpr std::size_t kFilterArgumentsMax = 100;      // of a command
constexpr std::size_t kFilterMacrosMax = 100;         // of an event
constexpr std::size_t kFilterListenersMax = 1000;     // of a configuration
constexpr std::size_t kFilterRecipientsMax = 2000;    // added, and taken out, by all filters
constexpr std::size_t kFilterJudgementsMax = 200;     // of a message
constexpr std::size_t kFilterJudgementTextMax = 200;  // octets
constexpr std::size_t kFilterScoresMax = 20;          // of a judgement
constexpr std::size_t kFilterScoreNameMax = 64;       // octets
constexpr std::size_t kFilterSectionMax = 2U << 20;   // octets of a header section, edits included

// --- smtpd to filter -----------------------------------------------------------------------------

// local: sendmail and pickup. notices: what qmgr itself writes to senders; a filter may sign them,
// and nothing else.
enum class FilterKind : std::uint8_t { world, submission, local, notices };
constexpr FilterKind last_of(FilterKind) {
  return FilterKind::notices;
}
std::string_view name_of(FilterKind kind);

// A new session. Its number is not used again while the link lives.
struct FilterSession {
  static constexpr FrameType kType = FrameType::filter_session;
  enum class Family : std::uint8_t { unknown, ipv4, ipv6, local };
  std::uint64_t session = 0;
  std::string listener;  // config::Listener::name()
  FilterKind kind = FilterKind::world;
  Family family = Family::unknown;
  std::string client_name;     // confirmed host name; else the address in brackets
  std::string client_address;  // or a path
  std::uint16_t client_port = 0;
};

enum class FilterStage : std::uint8_t {
  connect,
  helo,
  mail,
  rcpt,
  data,
  unknown,
  end_of_header,
  end_of_message,
};
constexpr FilterStage last_of(FilterStage) {
  return FilterStage::end_of_message;
}
constexpr std::uint32_t bit_of(FilterStage stage) {
  return 1U << static_cast<unsigned>(stage);
}
constexpr std::uint32_t kAllFilterStages = 2 * bit_of(FilterStage::end_of_message) - 1;
// Of one message; the others are of the session, and outlive messages.
constexpr bool is_of_message(FilterStage stage) {
  return stage != FilterStage::connect && stage != FilterStage::helo &&
         stage != FilterStage::unknown;
}
std::string_view name_of(FilterStage stage);

struct FilterMacro {
  std::string name;   // without braces
  std::string value;  // empty: it is gone
};
// Something happens in a session. Before end_of_header the header section has come.
struct FilterEvent {
  static constexpr FrameType kType = FrameType::filter_event;
  std::uint64_t session = 0;
  std::uint32_t number = 0;  // each event of a session has a larger one than the one before
  FilterStage stage = FilterStage::connect;
  // The session waits for an answer. Never at end_of_message, which always gets a result.
  bool awaited = false;
  bool rejected = false;  // at rcpt: smtpd has refused it itself; no filter has a say
  // Of the client, by now: it may send anywhere (its network is trusted, or it has logged in);
  bool known = false;
  bool talked_early = false;  // it did not wait for the answer at connect, which the greeting is
  std::string text;  // name of HELO; address with angle brackets; the unknown command's line
  std::vector<std::string> arguments;  // of MAIL and RCPT, verbatim
  std::vector<FilterMacro> macros;     // those that have changed
  std::uint64_t size = 0;  // at end_of_message: octets of the message, our own fields left out
};

// The header section of the message, fields only. Always comes, since filters may add fields.
struct FilterHeader {
  static constexpr FrameType kType = FrameType::filter_header;
  std::uint64_t session = 0;
  std::uint32_t hidden = 0;  // so many of its first fields are ours and not shown
  std::string_view section;
};
// A piece of the body: everything behind the empty line after the header section.
struct FilterBody {
  static constexpr FrameType kType = FrameType::filter_body;
  std::uint64_t session = 0;
  std::string_view octets;
};
// The message is over without a verdict.
struct FilterAbort {
  static constexpr FrameType kType = FrameType::filter_abort;
  std::uint64_t session = 0;
};
struct FilterQuit {
  static constexpr FrameType kType = FrameType::filter_quit;
  std::uint64_t session = 0;
};

// --- in both directions --------------------------------------------------------------------------

// To smtpd: it may send so many further octets of bodies in that session. To `filter`: so many
// octets have been taken since the last of these.
struct FilterWindow {
  static constexpr FrameType kType = FrameType::filter_window;
  std::uint64_t session = 0;
  std::uint32_t octets = 0;
};

// --- filter to smtpd -----------------------------------------------------------------------------

// The first frame, and again when filters are found to want something else. A listener that is not
// named here has no filters: its sessions need not be told.
struct FilterWants {
  static constexpr FrameType kType = FrameType::filter_wants;
  struct Listener {
    std::string name;
    std::uint32_t stages = kAllFilterStages;  // bits: an answer is to be awaited there
    bool body = true;                         // somebody wants to see bodies
  };
  std::vector<Listener> listeners;
};

enum class FilterVerdict : std::uint8_t {
  keep_going,
  refuse,
  defer,
  discard,  // the client hears that all is well, and nothing is stored
  hang_up,  // the reply, a 421, and the end of the connection
};
constexpr FilterVerdict last_of(FilterVerdict) {
  return FilterVerdict::hang_up;
}
std::string_view name_of(FilterVerdict verdict);

// How a filter has failed.
enum class FilterFailure : std::uint8_t {
  none,
  unreachable,
  closed,    // it ended the connection
  late,      // a time limit
  protocol,  // it said what cannot be understood, or too much
  breaker,   // it was not asked, because it had failed again and again
  own,       // the trouble is ours: no room to keep the message
};
constexpr FilterFailure last_of(FilterFailure) {
  return FilterFailure::own;
}
std::string_view name_of(FilterFailure failure);

// One of the reasons why a message has the score it has: a rule or a list that matched.
struct FilterScore {
  std::string name;
  std::int32_t thousandths = 0;
};
// What the edits of a filter change.
struct FilterEditKinds {
  std::uint32_t headers = 0;     // fields added, changed or removed
  std::uint32_t recipients = 0;  // added or removed
  bool body = false;
  bool sender = false;
};
// What one filter said of a message, for the history.
struct FilterJudgement {
  std::string filter;
  FilterStage stage = FilterStage::end_of_message;
  FilterVerdict verdict = FilterVerdict::keep_going;
  bool hold = false;
  std::string text;                // reply, reason to hold, or how it failed
  std::uint32_t milliseconds = 0;  // that we waited for it, in the whole message
  std::uint32_t edits = 0;
  std::uint32_t edits_not_allowed = 0;  // and verdicts
  FilterFailure failure = FilterFailure::none;
  bool watch = false;  // nothing of it counts
  // Of filters that count points, in thousandths: the sum, and from which on it refuses. 0: none.
  std::int32_t score = 0;
  std::int32_t score_limit = 0;
  std::vector<FilterScore> scores{};  // the weightiest first
  FilterEditKinds edited{};           // what `edits` are
};

struct FilterAnswer {
  static constexpr FrameType kType = FrameType::filter_answer;
  std::uint64_t session = 0;
  std::uint32_t number = 0;
  FilterVerdict verdict = FilterVerdict::keep_going;
  mail::Reply reply;   // for the client; always there with refuse, defer and hang_up
  std::string filter;  // whose verdict it is
  // With a verdict: what the filters have said so far, the one whose verdict it is among them.
  std::vector<FilterJudgement> judgements{};
};

// A piece of a new body; the result follows the last one.
struct FilterBodyPiece {
  static constexpr FrameType kType = FrameType::filter_body_piece;
  std::uint64_t session = 0;
  std::string_view octets;
};

struct FilterAddress {
  std::string address;    // with angle brackets or without, as the filter wrote it
  std::string arguments;  // ESMTP arguments, one space between
};
// What becomes of the message. Changes count with keep_going only; smtpd takes recipients out
// first and then adds.
struct FilterResult {
  static constexpr FrameType kType = FrameType::filter_result;
  std::uint64_t session = 0;
  std::uint32_t number = 0;  // of end_of_message
  FilterVerdict verdict = FilterVerdict::keep_going;
  mail::Reply reply;
  std::string filter;               // whose verdict it is
  std::optional<std::string> hold;  // to be held, and why
  bool header_changed = false;
  std::string_view section{};  // then the whole new header section, hidden fields included
  bool body_replaced = false;  // by what came in FilterBodyPiece
  std::optional<FilterAddress> sender{};
  std::vector<FilterAddress> recipients_added{};
  std::vector<std::string> recipients_removed{};
  std::vector<FilterJudgement> judgements{};
};

}  // namespace postwain::ipc
