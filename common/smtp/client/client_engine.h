// The client side of one SMTP or LMTP connection without I/O: bytes of the server in, bytes for the
// server and events out. It sees no socket, clock, log or configuration.
//
//   greeting -> EHLO (-> HELO) [-> STARTTLS -> EHLO] [-> AUTH] -> transactions -> QUIT
//
// Every command sent puts an entry into the queue of expected replies, and replies are matched to
// it one by one; that queue is the whole synchronisation. With PIPELINING a transaction's MAIL,
// RCPT and DATA leave in one flight, and the next transaction's right behind the end of data (RFC
// 2920 3.1); without it every command waits for the reply before it. With CHUNKING, small content
// travels in the same flight as its envelope, as one BDAT LAST (RFC 3030 4.2), and several such
// transactions behind each other. A RSET stands between them: behind a BDAT that failed the server
// wants one (RFC 3030 2), and behind one that did not it changes nothing. Not in LMTP, where one
// recipient's store would hold up everybody behind him.
//
// LMTP (RFC 2033) differs by what its Dialect says: after the content one reply for each accepted
// recipient, in RCPT order, each reported the moment it arrives.
//
// How we asked is no verdict on the mail. BDAT that is refused as a command ends the session, and
// its transactions are returned: over another connection the content goes by DATA. Where nobody
// knows yet that BDAT works (prove_chunking), its first chunk is the first line of the content,
// alone, so that a server that takes chunks for commands gets one line and nothing behind it. A
// parameter that was offered and is refused is left out, and MAIL or RCPT is said again. What was
// found lacking is told by events.
//
// A server that takes some recipients and no more of them (452 4.5.3, or LIMITS of RFC 9422) gets
// the others in further transactions of the same content, one after the other.
//
// With ClientOptions::xforward, a server that offers XFORWARD is told in front of each MAIL which
// client the message came from. A server that refuses the command gets the mail without it, and the
// command is not sent again in this session.
//
// Where an end of data may have to wait before it leaves (word_gate.h), the host is told where ends
// of data are in what is produced, and tells when one has left. Until then a transaction is not
// past its end: whatever happens to the session, the server has no message, so nobody is in doubt.
//
// Bounds: kTransactionsMax or kFlightMax at once, replies as in reply_parser.h; produced bytes grow
// with what the host gives (inline content, chunks) and nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/content/seven_bit.h"
#include "common/mail/ability.h"
#include "common/mail/outcome.h"
#include "common/smtp/client/client_commands.h"
#include "common/smtp/client/outcome_rules.h"
#include "common/smtp/client/peer_extensions.h"
#include "common/smtp/client/recipient_ledger.h"
#include "common/smtp/syntax/dialect.h"
#include "common/smtp/syntax/dot_encoder.h"
#include "common/smtp/syntax/reply_parser.h"

namespace postwain::smtp {

enum class TlsUse : std::uint8_t { never, when_offered, required };

struct ClientOptions {
  const Dialect* dialect = &kSmtp;
  std::string hello_name = {};
  TlsUse tls = TlsUse::when_offered;
  // Log in before the first transaction; how is the host's business (common/agent/login.h).
  bool login = false;
  bool login_without_tls = false;
  bool require_tls = false;     // the server must offer REQUIRETLS, under TLS (RFC 8689 4.2.1)
  mail::AbilitySet avoid{};     // not used, even where the server offers it
  bool prove_chunking = false;  // it is not known whether BDAT works there
  bool implicit_tls = false;    // a handshake comes before the greeting (RFC 8314 3.3)
  bool xforward = false;  // the server is told where messages come from, if it offers XFORWARD
  bool clear_after_tls = false;  // in clear because a handshake failed: refuses_clear() defers
  // How many transactions may travel whole at once where the server has CHUNKING; it is reached by
  // and by, since a connection that breaks leaves all of them in doubt. At most kFlightMax.
  std::size_t flight_max = 32;
};

struct ClientEvent {
  enum class Kind : std::uint8_t {
    ready,         // transactions may be given
    start_tls,     // handshake now, then call tls_started()
    log_in,        // the peer offers peer().mechanisms: call begin_login() or fail_login()
    challenge,     // `text` of AUTH, decoded: call answer_challenge() or fail_login()
    logged_in,     // the peer says so: call accept_login() or fail_login()
    want_content,  // of transaction `key`, from its beginning: call give_content until its last
                   // chunk. Once for each part of a transaction that is split
    recipient,     // `recipient` of transaction `key` has its outcome
    finished,      // every recipient of `key` has; the transaction is forgotten
    returned,      // nothing of `key` was answered and its end was not sent: it may be tried over
                   // another connection, else `outcome` holds for all its recipients
    lacks,         // the server has not `ability`, whatever it offers
    suspected,     // perhaps it has not `ability`: the next session should go without
    unusable,      // the session is over, `outcome` tells why; always the last event
  };
  Kind kind = Kind::ready;
  std::uint64_t key = 0;
  std::size_t recipient = 0;
  mail::Outcome outcome;
  std::string text{};
  mail::Ability ability{};
};

class ClientEngine {
 public:
  static constexpr std::size_t kTransactionsMax = 2;  // one in its content, one in its envelope
  static constexpr std::size_t kFlightMax = 32;       // of those that travel whole, by BDAT

  explicit ClientEngine(ClientOptions options);

  // What happened outside. After each of them: take the events, then the output.
  void receive(std::string_view bytes);
  void tls_started();
  void tls_failed(std::string_view why);
  // initial: the octets that go with AUTH (RFC 4954 4); nothing: the server speaks first.
  void begin_login(std::string_view mechanism, const std::optional<std::string>& initial);
  void answer_challenge(std::string_view octets);
  void accept_login();
  void fail_login(mail::EnhancedCode enhanced, std::string_view why);
  void lost(std::string_view why);  // the connection ended
  void timed_out();                 // what wait() names took too long
  void quit();                      // takes no more transactions; QUIT follows the running ones
  // Gives the running transactions up: content could not be read, or the process ends. The
  // connection must be closed without another byte.
  void abandon(std::string_view why);
  // No further end of data leaves: transactions past theirs are awaited, the others are given up
  // now. What was produced of them and has not left must not.
  void stop(std::string_view why);

  bool next(ClientEvent& event);
  // Appends what is to be sent now. ends: gets, for each end of data in it, the size that `out` has
  // right behind that; end_left() is then to follow for each. Without it all of them count as sent.
  void produce(std::string& out, std::vector<std::size_t>* ends = nullptr);
  // The next one of them, in their order, has been handed to the network whole.
  void end_left();

  bool wants_transaction() const;
  void add(Transaction transaction);
  void give_content(std::uint64_t key, std::string_view bytes, bool last);

  // ClientOptions::flight_max from now on.
  void set_flight_max(std::size_t transactions) { options_.flight_max = transactions; }

  bool usable() const { return state_ != State::over; }
  bool idle() const { return state_ == State::ready && active_.empty() && expected_.empty(); }
  Wait wait() const;
  // What is being waited for; and how far that transaction is.
  mail::Stage stage() const { return stage_now(); }
  mail::Stage stage(std::uint64_t key) const;
  // How often a reply came or a flight left: time-outs are counted from the last change.
  std::uint64_t progress() const { return progress_; }
  // The end of data of this transaction has left.
  bool past_end(std::uint64_t key) const;
  const PeerExtensions& peer() const { return peer_; }
  // What has been seen working in this session.
  mail::AbilitySet proven() const { return proven_; }
  // It ended because the server takes nothing in clear.
  bool clear_was_refused() const { return clear_refused_; }

 private:
  enum class State : std::uint8_t { session, tls, login, ready, quitting, over };
  enum class Command : std::uint8_t {
    greeting,
    ehlo,
    helo,
    starttls,
    auth,
    xforward,
    mail,
    rcpt,
    data,
    first_chunk,  // BDAT without LAST
    end_of_data,  // the final dot, or BDAT LAST; stays until its last reply has come
    empty_end,    // the dot that answers 354 when nobody was accepted
    rset,
    quit,
  };
  struct Expected {
    Command command;
    std::size_t recipient = 0;
    bool piped = false;  // sent before the one ahead of it was answered
  };
  enum class Step : std::uint8_t { mail, rcpt, data, data_sent, chunk_sent, content, end_sent };
  struct Active {
    Transaction transaction;
    RecipientLedger ledger;
    std::vector<std::size_t> accepted;  // by RCPT, in their order
    std::size_t answered = 0;           // of accepted, after the content
    std::size_t next_rcpt = 0;
    // Left for another transaction with the same content: more than the server takes in one.
    std::vector<std::size_t> postponed{};
    std::size_t asked = 0;               // RCPT in this one
    std::vector<std::string> domains{};  // of them, where their number is limited
    std::size_t due = 0;                 // expected replies that belong to this transaction
    Step step = Step::mail;
    bool mail_accepted = false;
    bool chunked = false;
    bool smtputf8 = false;  // MAIL says so
    std::size_t chunk = 0;  // bytes of the content that went ahead as its first chunk
    // Parameters this server refuses, in the transaction that runs and in the next try of it; and
    // the one whose absence is being tried, at MAIL or RCPT.
    mail::AbilitySet without{};
    mail::AbilitySet without_next{};
    std::optional<mail::Ability> first_use{};
    Command first_use_at = Command::mail;
    bool ask_again = false;  // MAIL was refused for a parameter
    // Where the peer takes no 8-bit content: content that is asked for goes through it …
    std::unique_ptr<mail::SevenBit> seven_bit{};
    // … and this is what became of inlined content; also of one with lone CR or LF.
    std::unique_ptr<std::string> converted{};
    std::uint64_t end = 0;   // which end of data of this session is its own, once it is produced
    bool clean_end = false;  // the server has answered the end of data, its buffers are clear
    // XFORWARD commands of this transaction, and how many of them have been sent.
    bool xforward_made = false;
    std::vector<std::string> xforward{};
    std::size_t xforward_sent = 0;
  };

  static mail::Stage stage_of(Command command);
  static std::string_view doing_at_command(Command command);

  void handle_reply(bool more_bytes);
  void session_reply(Command command, ReplyClass what, bool more_bytes);
  void hello_refused(Command command, ReplyClass what);
  void hello_accepted();
  void log_in();
  void take_challenge();
  void become_ready();
  void transaction_reply(Expected expected, ReplyClass what);
  void mail_reply(Active& a, ReplyClass what);
  void rcpt_reply(Active& a, ReplyClass what, std::size_t recipient);
  void data_reply(Active& a, ReplyClass what);
  void end_reply(Active& a);
  void close_front();

  // client_engine_split.cc
  bool exceeds_limits(Active& a) const;
  static bool is_postponed(const Active& a, std::size_t recipient);
  void take_again();
  void restart_front();

  // client_engine_xforward.cc
  bool send_xforward(Active& a, std::string& out);
  void xforward_reply(ReplyClass what);

  bool advance(Active& a, std::string& out);
  std::size_t flight() const;
  // client_engine_form.cc
  bool refused_for_form(Active& a, Command command, mail::AbilitySet said,
                        const mail::Reply& reply);
  void note_first_use(Active& a, Command command);
  void notify(ClientEvent::Kind kind, mail::Ability ability);
  const PeerExtensions& peer_for(const Active& a, PeerExtensions& room) const;
  void suspect_pipelining();
  void chunk_reply(Active& a, ReplyClass what);
  void chunking_refused(Active& a, const mail::Reply& reply);
  bool clear_refused(mail::Stage stage, const mail::Reply& reply);
  bool is_early_verdict() const;
  void early_verdict();
  bool is_before_end() const;
  void reply_before_end();
  void append_chunk(Active& a, std::string& out);

  bool must_reset(const Active& a) const;
  // Then a RSET of its own stands before it.
  bool next_is_sent() const { return active_.size() > 1 && active_[1].step != Step::mail; }
  bool must_wait() const { return !peer_.pipelining && !expected_.empty(); }
  static void make_seven_bit(Active& a);
  static void make_line_ends_whole(Active& a);
  void send_content(Active& a, std::string& out);
  void note_end(Active& a, std::vector<std::size_t>& ends, std::size_t behind);
  // Nothing of it can be held back any more.
  bool has_left(const Active& a) const { return a.step == Step::end_sent && a.end <= ends_left_; }
  void take_buffer(std::string& out);
  void expect(Active& a, Command command, std::size_t recipient = 0);
  void say(std::string_view line, Command command);

  void settle(Active& a, std::size_t recipient, mail::Outcome outcome);
  void settle_open(Active& a, const mail::Outcome& outcome);
  void settle_accepted(Active& a, const mail::Outcome& outcome);
  mail::Stage stage_now() const;
  std::string_view doing_now() const;  // "waiting for the reply to MAIL"
  void emit(ClientEvent::Kind kind, std::uint64_t key = 0, mail::Outcome outcome = {});
  void end_session(const mail::Outcome& why, bool answered);
  std::optional<std::size_t> asked_now() const;
  void fail_session(mail::Stage stage, mail::EnhancedCode enhanced, std::string text);
  void end_if_stopped();
  void give_up_unsent();
  void refused_session(mail::Stage stage);  // by the reply just parsed

  ClientOptions options_;
  ReplyParser parser_;
  PeerExtensions peer_;
  DotEncoder encoder_;
  State state_ = State::session;
  bool tls_on_ = false;
  bool needs_rset_ = false;
  bool quit_wanted_ = false;
  bool tls_answered_ = false;     // the server has said something behind the handshake
  bool starttls_failed_ = false;  // it was refused
  bool clear_refused_ = false;
  mail::AbilitySet proven_;
  bool stopped_ = false;
  std::string why_stopped_;
  std::uint64_t progress_ = 0;
  std::size_t finished_ = 0;  // transactions whose end was answered
  std::deque<Active> active_;
  std::deque<Expected> expected_;
  std::deque<ClientEvent> events_;
  std::string initial_;  // response of AUTH, in base64, that is yet to be asked for
  std::string out_;
  std::vector<std::size_t> ends_;         // in what is being produced
  std::vector<std::size_t> ends_in_out_;  // in out_
  std::uint64_t ends_made_ = 0;
  std::uint64_t ends_left_ = 0;
};

}  // namespace postwain::smtp
