// One SMTP or LMTP session as the server sees it (RFC 5321, 2033, 2920, 3030, 3207): bytes in,
// events out. No socket, clock, log, configuration or opinion about mail: the host asks its policy
// and answers.
//
//   engine.begin();
//   for (;;) switch (engine.next(content).kind) …  until need_more, waiting or close;  send(output)
//   engine.receive(bytes);  and again
//
// Events marked "answer" stop everything until answer() is called: nothing behind an open question
// is parsed, so pipelined commands can never overtake the decision about their predecessors. The
// answer may come at once or much later. STARTTLS throws away what was received behind it (and
// ends the session for it), so no host can forget to.
//
// Some questions are asked only of a host that wants them (ServerQuestions). The header section is
// then read line by line: each field is a question when it is whole, and another one comes at the
// end of the section, before any octet of the body but those of a line that is no field and so has
// ended it. All octets of content stand in the host's buffer as they do without these questions.
//
// A transaction the host knows of (it answered MAIL with 2xx) ends for the host in exactly one of
// three ways: it answers content_end, or it gets content_refused, or it gets reset.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/content/header_reader.h"
#include "common/mail/envelope.h"
#include "common/mail/reply.h"
#include "common/smtp/server/server_table.h"
#include "common/smtp/syntax/content_decoder.h"
#include "common/smtp/syntax/dialect.h"
#include "common/smtp/syntax/line_reader.h"
#include "common/smtp/syntax/mail_command.h"
#include "common/smtp/syntax/xclient_attributes.h"

namespace postwain::smtp {

// What the host wants to be asked beyond what every host has to answer. Without these questions the
// engine goes on by itself, and they cost nothing.
struct ServerQuestions {
  bool connect = false;          // else every client is greeted
  bool unknown_command = false;  // else it is refused with 500
  bool header = false;           // header_field and header_end
};

struct ServerOptions {
  Dialect dialect = kSmtp;
  std::string hostname;
  std::uint64_t message_size = 50ULL << 20;  // announced; 552 5.3.4 beyond
  std::uint32_t recipients = 1000;           // 452 4.5.3 beyond
  std::uint32_t errors = 20;                 // then 421 4.7.0
  bool starttls = false;                     // offered while the session is in clear
  bool tls_required = false;                 // MAIL before TLS: 530 5.7.0
  bool auth = false;                         // AUTH (RFC 4954), under TLS only,
  bool auth_without_tls = false;             // or always
  bool dsn = true;                           // offered, unless offer_dsn() says otherwise
  bool xclient = false;                      // the client is believed who is behind it,
  bool xforward = false;                     // or that is put on record
  bool any_hello = false;                    // of everybody, not only of a known client
  // Where a known client may leave brackets and domains of addresses away: the domain for them.
  std::string bare_origin;
  ServerQuestions ask;
};

// A reply with which the engine itself refused something, for the host's record. What the host
// answered, and content_refused, are not among them: it knows of those.
struct OwnRefusal {
  std::string_view stage;  // the verb, "content" or "session"; static
  mail::Reply reply;
  std::string_view why;  // why the session ends, when it does; static
  std::string said;      // the command line, cut; empty where it could hold a password
  std::string address;   // that MAIL or RCPT named, as far as it can be told
};

enum class EventKind : std::uint8_t {
  need_more,  // receive() something
  waiting,    // answer() first
  // answer: 220 to greet; 421, and the session is over; or another refusal (RFC 5321 3.1: 554),
  // after which the client may only say QUIT. Also when XCLIENT has brought another client.
  connect,
  hello,            // answer: 250, or a refusal. hello_name(), extended()
  mail,             // answer: 250, or a refusal. mail()
  rcpt,             // answer: 250, or a refusal. rcpt()
  data,             // answer: 354 to read content, or a refusal. envelope()
  header_field,     // answer: 250 to go on, or the refusal of the message. header_field()
  header_end,       // answer: the same. `content` has told of all of the header section
  content,          // some was appended to the host's buffer
  content_end,      // answer: the reply for the message. Some content may have been appended
  content_refused,  // the client got event.reply; the transaction is over
  reset,            // the transaction is over without content (RSET, hello, QUIT, TLS …)
  // answer: 334 with a challenge as text (octets, encoded here), 235, or a refusal.
  // auth_mechanism(), auth_response()
  auth,
  auth_over,  // the exchange is over without answer: cancelled (reply 501 5.7.0) or malformed
  // answer: 220, and the session begins anew as that of the client behind this one; or a refusal.
  // claim(), which holds all attributes said so far
  xclient,
  xforward,  // answer: 250, or a refusal. claim(), the same
  starttls,  // answer: 220, then send(output), begin TLS and call tls_started(); or a refusal
  // answer: a refusal, or no code for the usual 500. unknown_command()
  unknown_command,
  close,  // send(output) and close; event.why says why
};

struct Event {
  EventKind kind = EventKind::need_more;
  std::string_view why;  // close
  mail::Reply reply;     // content_refused, auth_over
};

class ServerEngine {
 public:
  explicit ServerEngine(ServerOptions options);

  // The client is there; what it sends earlier than the greeting is kept until then. With TLS from
  // the first octet on, tls_started() comes before.
  void begin();
  void receive(std::string_view bytes);
  // content: where decoded content is appended; the same buffer until the transaction is over.
  Event next(std::string& content);
  void answer(const mail::Reply& reply);

  // The host cannot take the content that is coming (queue gone, header section too large): it is
  // read to its true end, then the client gets the reply. Between data and content_end only.
  void refuse_content(mail::Reply reply);
  // TLS is on: all that was said in clear is forgotten.
  void tls_started();
  // Ends the session from our side with a last reply (421: time-out, shutdown).
  void shut_down(const mail::Reply& last, std::string_view why);

  std::string& output() { return output_; }
  // How many replies of each class (by first digit) it gave since the last call.
  std::array<std::uint32_t, 6> take_replies_said() { return std::exchange(replies_said_, {}); }
  // What it refused by itself since the last call: at most kRefusalsKept, and how many more.
  std::vector<OwnRefusal> take_refusals(std::uint64_t& more);
  // From now on the client is one the host trusts or has let in, or is not: the first may call
  // itself what it likes, and recipients the host refuses it are not counted as its errors.
  void know_client(bool known) { client_known_ = known; }
  // Bytes received and not yet looked at: the host stops reading while this is large.
  std::size_t buffered() const { return reader_.size(); }

  const std::string& hello_name() const { return hello_name_; }  // harmless_hello()
  bool extended() const { return extended_; }                    // EHLO or LHLO, not HELO
  bool tls() const { return tls_; }
  // What the next hello announces, and AUTH takes: "PLAIN LOGIN". Before `hello` is answered, since
  // it may depend on TLS.
  void offer_auth(std::string mechanisms) { auth_offered_ = std::move(mechanisms); }
  // Whether the next hello announces DSN. Whose parameters are taken is the host's to decide.
  void offer_dsn(bool offered) { options_.dsn = offered; }
  bool auth_allowed() const { return options_.auth && (tls_ || options_.auth_without_tls); }
  const std::string& auth_mechanism() const { return auth_mechanism_; }  // as announced
  // What the client said, decoded; nothing: there is no initial response.
  const std::optional<std::string>& auth_response() const { return auth_response_; }
  const ServerOptions& options() const { return options_; }
  const ClientClaim& claim() const { return claim_; }
  const MailCommand& mail() const { return mail_; }
  const mail::Recipient& rcpt() const { return rcpt_; }
  // The line of an unknown command. It may be a password that a client sends after a refused AUTH.
  const std::string& unknown_command() const { return unknown_command_; }
  // The field that is asked about, until the answer.
  mail::HeaderField header_field() const { return transaction_.header->field(); }
  // The transaction so far; complete at `data`, when the host may take it away.
  // What becomes of the recipient that is being answered (mail::Recipient::decided).
  void decide_rcpt(mail::Reply decided) { rcpt_.decided = std::move(decided); }
  const mail::Envelope& envelope() const { return envelope_; }
  mail::Envelope take_envelope() { return std::move(envelope_); }
  ServerState state() const { return state_; }
  bool in_content() const {
    return mode_ == Mode::dots || state_ == ServerState::chunking || transaction_.header;
  }

 private:
  enum class Mode : std::uint8_t {
    commands,
    connected,
    asking,
    dots,
    chunk,
    auth,
    tls_handshake,
    closed
  };

  void greet();
  void answer_connect(const mail::Reply& reply);

  // server_commands.cc: one function per verb; nothing returned means: go on with the next line.
  std::optional<Event> take_line(const Line& line);
  std::optional<Event> obey(Verb verb, std::string_view argument);
  Event ask_unknown(std::string_view line);
  void answer_unknown(const mail::Reply& reply);
  std::optional<Event> obey_hello(std::string_view argument, bool extended);
  std::optional<Event> obey_mail(std::string_view argument);
  std::optional<Event> obey_rcpt(std::string_view argument);
  std::optional<Event> obey_data(std::string_view argument);
  std::optional<Event> obey_starttls(std::string_view argument);
  void obey_rset(std::string_view argument);
  std::optional<Event> obey_auth(std::string_view argument);
  std::optional<Event> take_auth_line(const Line& line);
  void answer_auth(const mail::Reply& reply);
  Event end_auth(int code, mail::EnhancedCode enhanced, std::string_view text);
  std::optional<Event> obey_claim(Verb verb, std::string_view argument);
  void answer_xclient(const mail::Reply& reply);
  bool auth_offers(std::string_view mechanism);
  std::size_t line_max() const;
  std::string_view bare_origin() const;
  bool end_flood(mail::EnhancedCode enhanced);
  void obey_vrfy(std::string_view argument);
  void obey_quit(std::string_view argument);
  void answer_hello(const mail::Reply& reply);
  void count_idle();
  void count_error();

  // server_content.cc
  std::optional<Event> take_bdat(std::string_view argument);
  void answer_data(const mail::Reply& reply);
  void answer_content(const mail::Reply& reply);
  std::optional<Event> read_dots(std::string& content);
  std::optional<Event> read_chunk(std::string& content);
  std::optional<Event> read_header(std::string& content);
  bool read_header_line(std::string& content);
  void answer_header(const mail::Reply& reply);
  std::optional<Event> end_chunk(std::string& content, bool appended);
  Event refused_content();
  void note_refusal(mail::Reply reply);
  void note_lone_line_end();
  void count_content(std::size_t appended, std::size_t thrown_away);

  Event ask(EventKind question);
  void say(const mail::Reply& reply);
  void reply(const mail::Reply& reply);  // counts errors
  void reply(int code, mail::EnhancedCode enhanced, std::string_view text);
  void take_answer(const mail::Reply& reply);
  void answer_rcpt(const mail::Reply& reply);
  void note_own(const mail::Reply& reply, std::string_view why);
  void end_transaction();  // the only way out of a transaction
  void close(std::string_view why);

  ServerOptions options_;
  LineReader reader_;
  std::array<std::uint32_t, 6> replies_said_{};
  std::string output_;
  ServerState state_ = ServerState::fresh;
  Mode mode_ = Mode::commands;
  EventKind question_ = EventKind::need_more;
  std::string close_why_;
  std::vector<OwnRefusal> refusals_;
  std::uint64_t refusals_more_ = 0;
  std::string_view stage_ = "session";
  std::string_view line_;   // being obeyed, where it may be told; only inside of next()
  bool answering_ = false;  // what is said now is the host's word
  bool client_known_ = false;
  std::uint32_t errors_ = 0;
  std::uint32_t idle_commands_ = 0;
  bool tls_ = false;
  bool reset_due_ = false;  // the host has to hear that its transaction is over

  std::string hello_name_;
  bool extended_ = false;
  std::string unknown_command_;

  ClientClaim claim_;
  std::string auth_offered_;
  std::string auth_mechanism_;
  std::optional<std::string> auth_response_;
  bool authenticated_ = false;

  // The transaction; end_transaction() clears all of it.
  struct Transaction {
    bool open = false;                  // the host has accepted MAIL and not yet heard of the end
    std::uint32_t recipients = 0;       // accepted
    std::uint32_t recipients_over = 0;  // refused because of their number
    std::uint32_t recipients_refused = 0;  // by the host
    std::uint64_t content_size = 0;
    std::uint64_t discarded = 0;
    std::uint32_t chunks = 0;
    std::uint64_t chunk_left = 0;
    std::uint64_t chunk_size = 0;
    bool chunk_last = false;
    bool binary = false;          // BODY=BINARYMIME: octets, not lines
    bool chunk_is_stray = false;  // not part of this transaction's content: only read away
    DotDecoder dots;
    ChunkDecoder chunk_decoder;
    mail::Reply refusal;                       // code 0: the content is good so far
    std::optional<mail::HeaderReader> header;  // while the host is asked about the header section
    bool untold = false;  // with that: something was appended since the last `content`
  };
  Transaction transaction_;
  MailCommand mail_;
  mail::Recipient rcpt_;
  mail::Envelope envelope_;
};

}  // namespace postwain::smtp
