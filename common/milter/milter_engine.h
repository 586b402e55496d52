// One connection to a filter, from our side: the events of SMTP sessions and messages become
// packets, the filter's packets become verdicts and edits. No I/O and no clock: who owns it moves
// the octets and watches the time.
//
// Events may be given ahead. The engine sends one after the other, each when the answer to the one
// before has come, and as many at once as the filter leaves unanswered. What a filter does not want
// to hear is not sent and is answered by the engine.
//
// go_ahead: header, body and the end of the message follow each other without waiting, since hardly
// any filter has an objection before the end. Answers come in the order of what was asked, so they
// are told apart as before. But where a filter ends the message while more has been sent, some
// filters answer the rest and others do not: the connection is spent then.
//
// A filter that breaks the protocol has failed: nothing of this message that it has said after that
// counts, and the connection is of no more use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/milter/edit_list.h"
#include "common/milter/negotiation.h"

namespace postwain::milter {

// A filter's packets are 64 KiB at most; a longer field is shown to it cut off.
constexpr std::size_t kHeaderValueMax = 60'000;

// The client, as a filter is told at the connect.
struct ClientAddress {
  enum class Family : char { ipv4 = '4', ipv6 = '6', local = 'L', unknown = 'U' };
  Family family = Family::unknown;
  std::string name;     // confirmed host name; else the address in brackets
  std::string address;  // or a path
  std::uint16_t port = 0;
};

class MilterEngine {
 public:
  // Asks the filter at once what it can do.
  MilterEngine();

  // The octets that go to the filter next.
  std::string take_output() { return std::exchange(out_, {}); }
  std::size_t output_size() const { return out_.size(); }
  // Octets that the filter has not asked for yet: the owner gives no more beyond a bound of his.
  std::size_t pending_octets() const { return out_.size() + waiting_octets_; }
  // Octets of the filter. False: it has failed.
  bool receive(std::string_view octets);
  // The owner has found out that the filter is gone, or late.
  void fail(std::string why);
  const std::string& failure() const { return failure_; }  // empty: it has not failed

  // Null: the negotiation is not over, and there is nothing to be told yet.
  const Agreement* agreement() const { return agreement_ ? &*agreement_ : nullptr; }
  // Whether a message's content goes to the filter without waiting for answers in between. Counts
  // from the next event on.
  void go_ahead(bool ahead) { ahead_ = ahead; }
  // The verdict on this message has come and is good, and no other message can be told of on this
  // connection.
  bool is_spent() const { return spent_; }
  // More than one answer is owed. A message that is aborted now may spend the connection when the
  // next one has begun already: the owner leaves it before.
  bool is_ahead() const { return sent_.size() > 1; }
  // The actions that the operator grants; what else the filter asks for is not done.
  void allow(std::uint32_t actions) { edits_.allow(actions); }

  // --- events, in the order of the session, once there is an agreement
  // ----------------------------

  // Values of macros from here on; an empty value takes one away.
  void set_macro(std::string_view name, std::string value) { macros_.set(name, std::move(value)); }
  void connect(const ClientAddress& client);
  void helo(std::string_view name);
  // address: with its angle brackets. arguments: "SIZE=1000", verbatim.
  void mail(std::string_view address, std::span<const std::string> arguments);
  void rcpt(std::string_view address, std::span<const std::string> arguments);
  // One that the server has refused itself: for filters that want to hear of such. Its macros are
  // set before; it has no verdict.
  void rejected_rcpt(std::string_view address, std::span<const std::string> arguments);
  void data();
  void unknown(std::string_view line);
  // value: all after the colon, with its folds and its leading space.
  void header(std::string_view name, std::string_view value);
  void end_of_header();
  void body(std::string_view octets);
  void end_of_message();
  // The message ends without a verdict: RSET, a new hello, a client that goes away.
  void abort();
  // The session is over. reuse: another one follows on this connection, which the filter has to
  // understand; few servers ever ask for it.
  void quit(bool reuse);

  // --- what the filter says
  // ------------------------------------------------------------------------

  // One for each event, in order, but for header, body and rejected_rcpt: these have one only where
  // the filter ends the message there. After the end of a message or session for this filter, each
  // event is answered with keep_going.
  struct StageVerdict {
    Stage stage = Stage::connect;
    Verdict verdict = Verdict::keep_going;
    mail::Reply reply{};  // code 0: the filter gave none
  };
  std::optional<StageVerdict> next_verdict();
  // An answer of the filter is awaited: the owner's time limit runs.
  bool is_waiting() const { return failure_.empty() && (!agreement_ || !sent_.empty()); }
  // The filter says that it still works: the time limit begins anew, within the owner's bound for
  // the whole message.
  bool take_progress() { return std::exchange(progress_, false); }
  // Of the message that ends: changes in their order, pieces of a new body as they come.
  EditList& edits() { return edits_; }
  // The filter hears nothing more of this message, or of the session; the owner can save itself the
  // events.
  bool is_done() const { return message_ == Message::ended || session_ended_; }
  // Fields of this message that were too long for a packet.
  std::size_t headers_cut() const { return headers_cut_; }

 private:
  struct Event {
    Stage stage;
    bool has_verdict;
    std::string macros;
    std::string data;
  };
  // What was sent and is to be answered.
  struct Sent {
    Stage stage;
    bool has_verdict;
    bool aborted = false;  // nobody wants to know
  };
  enum class Message : std::uint8_t { none, open, ended };

  void push(Stage stage, std::string data, bool has_verdict = true);
  void pump();
  bool may_follow(const Event& event) const;
  void pass(Event event);
  void spend();
  void answered(Stage stage, Verdict verdict, mail::Reply reply = {});
  bool take(const Packet& packet);
  bool take_answer(FilterAnswer answer);
  bool judge(const Sent& sent, FilterAnswer answer);
  bool skip(Stage stage);
  bool broken(std::string why);

  std::string out_;
  PacketReader reader_;
  std::string failure_;
  std::optional<Agreement> agreement_;
  Macros macros_;
  std::deque<Event> waiting_;
  std::size_t waiting_octets_ = 0;
  std::deque<Sent> sent_;
  std::deque<StageVerdict> verdicts_;
  EditList edits_;
  Message message_ = Message::none;
  bool session_ended_ = false;
  std::uint32_t skipped_ = 0;  // stages of this message, as bits
  std::size_t headers_cut_ = 0;
  bool ahead_ = false;
  bool spent_ = false;
  bool progress_ = false;
};

}  // namespace postwain::milter
