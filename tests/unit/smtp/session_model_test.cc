// The server engine against a reference model that was written apart from it: a plain table of
// what each command is answered with in each state, and where it leads. Every sequence of five
// commands is tried, with the verdicts of the policy among them, and long random ones. Most holes
// of this kind were transactions that outlived an error.
#include <catch2/catch.hpp>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "common/smtp/server/server_engine.h"

using namespace postwain;
using namespace postwain::smtp;

namespace {

// See the head of the table; D data, E end, Z refused at connect.
enum State : std::uint8_t { F, R, M, C, B, X, D, E, Z };

struct Cell {
  int code;
  State next;
};

enum class Special : std::uint8_t {
  none,
  message,
  bad_octets,
  dot,
  starttls,
  auth,
  xclient,
  host_ends,
  field
};

struct Token {
  const char* bytes;
  Cell cells[6];
  Special special = Special::none;
  char wish = 0;  // of MAIL: how the content will be answered
};

// The client that XCLIENT brings and the host refuses to greet.
constexpr const char* kUnwanted = "192.0.2.9";

// clang-format off
const Token kTokens[] = {
//                                 fresh     ready     mail      rcpt      chunking  chunk failed
{"EHLO c\r\n",                   {{250, R}, {250, R}, {250, R}, {250, R}, {250, R}, {250, R}}},
{"MAIL FROM:<a@b>\r\n",          {{503, F}, {250, M}, {503, M}, {503, C}, {503, B}, {503, X}}},
{"MAIL FROM:<later@b>\r\n",      {{503, F}, {450, R}, {503, M}, {503, C}, {503, B}, {503, X}}},
{"MAIL FROM:<no@b>\r\n",         {{503, F}, {550, R}, {503, M}, {503, C}, {503, B}, {503, X}}},
{"MAIL FROM:<a\r\n",             {{503, F}, {501, R}, {503, M}, {503, C}, {503, B}, {503, X}}},
{"RCPT TO:<c@d>\r\n",            {{503, F}, {503, R}, {250, C}, {250, C}, {503, B}, {503, X}}},
{"RCPT TO:<later@d>\r\n",        {{503, F}, {503, R}, {450, M}, {450, C}, {503, B}, {503, X}}},
{"RCPT TO:<no@d>\r\n",           {{503, F}, {503, R}, {550, M}, {550, C}, {503, B}, {503, X}}},
{"RCPT TO:<c\r\n",               {{503, F}, {503, R}, {501, M}, {501, C}, {503, B}, {503, X}}},
{"DATA\r\n",                     {{503, F}, {503, R}, {503, M}, {354, D}, {503, B}, {503, X}}},
{"x\r\n",                        {{500, F}, {500, R}, {500, M}, {500, C}, {500, B}, {500, X}}},
{".\r\n",                        {{500, F}, {500, R}, {500, M}, {500, C}, {500, B}, {500, X}}, Special::dot},
{"BDAT 3\r\nx\r\n",              {{503, F}, {503, R}, {503, M}, {250, B}, {250, B}, {503, X}}},
{"BDAT 3 LAST\r\nx\r\n",         {{503, F}, {503, R}, {503, M}, {250, R}, {250, R}, {503, X}}, Special::message},
{"BDAT 2\r\n\r\r",               {{503, F}, {503, R}, {503, M}, {550, X}, {550, X}, {503, X}}, Special::bad_octets},
{"BDAT x\r\n",                   {{501, E}, {501, E}, {501, E}, {501, E}, {501, E}, {501, E}}},
{"RSET\r\n",                     {{250, F}, {250, R}, {250, R}, {250, R}, {250, R}, {250, R}}},
{"VRFY c\r\n",                   {{252, F}, {252, R}, {252, M}, {252, C}, {252, B}, {252, X}}},
{"NOOP\r\n",                     {{250, F}, {250, R}, {250, M}, {250, C}, {250, B}, {250, X}}},
{"STARTTLS\r\n",                 {{503, F}, {220, F}, {503, M}, {503, C}, {503, B}, {503, X}}, Special::starttls},
{"AUTH PLAIN eA==\r\n",          {{503, F}, {235, R}, {503, M}, {503, C}, {503, B}, {503, X}}, Special::auth},
{"XCLIENT ADDR=192.0.2.1\r\n",   {{220, F}, {220, F}, {503, M}, {503, C}, {503, B}, {503, X}}, Special::xclient},
{"QUIT\r\n",                     {{221, E}, {221, E}, {221, E}, {221, E}, {221, E}, {221, E}}},
{"",                             {{421, E}, {421, E}, {421, E}, {421, E}, {421, E}, {421, E}}, Special::host_ends},
// Accepted at MAIL, and then: the content is deferred, refused; DATA or the first BDAT is deferred.
{"MAIL FROM:<a.l@b>\r\n",        {{503, F}, {250, M}, {503, M}, {503, C}, {503, B}, {503, X}}, Special::none, 'l'},
{"MAIL FROM:<a.n@b>\r\n",        {{503, F}, {250, M}, {503, M}, {503, C}, {503, B}, {503, X}}, Special::none, 'n'},
{"MAIL FROM:<a.d@b>\r\n",        {{503, F}, {250, M}, {503, M}, {503, C}, {503, B}, {503, X}}, Special::none, 'd'},
// The host refuses the header section at its end, or the first field of it.
{"MAIL FROM:<a.h@b>\r\n",        {{503, F}, {250, M}, {503, M}, {503, C}, {503, B}, {503, X}}, Special::none, 'h'},
{"MAIL FROM:<a.f@b>\r\n",        {{503, F}, {250, M}, {503, M}, {503, C}, {503, B}, {503, X}}, Special::none, 'f'},
{"A: b\r\n",                     {{500, F}, {500, R}, {500, M}, {500, C}, {500, B}, {500, X}}, Special::field},
{"XCLIENT ADDR=192.0.2.9\r\n",   {{554, Z}, {554, Z}, {503, M}, {503, C}, {503, B}, {503, X}}, Special::xclient},
};
// clang-format on
constexpr std::size_t kAllTokens = std::size(kTokens);
constexpr std::size_t kFirstTokens = 27;  // those of the longest walk

struct Model {
  State state = F;
  bool tls = false;
  bool authenticated = false;
  char wish = 0;
  int recipients = 0;
  bool lone = false;          // content of DATA so far
  bool at_line_start = true;  // of the next line of DATA
  bool in_header = true;      // of that content
  bool in_field = false;
  int refusal = 0;  // the host's, about its header section
  int messages = 0;
  int message_recipients = 0;

  bool open() const { return state == M || state == C || state == B || state == D; }
  int verdict() const { return wish == 'l' ? 451 : wish == 'n' ? 554 : 250; }
  int deliver() {
    int code = verdict();
    if (code == 250) ++messages, message_recipients += recipients;
    state = R;
    return code;
  }

  // The code of the reply; 0: none.
  int take(const Token& token) {
    if (token.special == Special::host_ends) return state = E, 421;
    if (state == D) return take_content(token);
    State before = state;
    if (before == Z) return take_refused(token);
    Cell cell = token.cells[before];
    if (token.special == Special::starttls && before == R && tls) return 503;
    if (token.special == Special::auth && before == R) return log_in();
    bool first_chunk = before == C && (cell.next == B || cell.next == X || cell.next == R);
    bool is_bdat = std::string_view(token.bytes).substr(0, 5) == "BDAT ";
    if (wish == 'd' && before == C && (cell.next == D || (first_chunk && is_bdat))) {
      state = cell.next == B || cell.next == X ? X : R;
      return 451;
    }
    state = cell.next;
    if (token.special == Special::starttls && cell.code == 220) tls = true, authenticated = false;
    if (token.special == Special::xclient && cell.code == 220) authenticated = false;
    // All content that comes in chunks begins with a line that is no field.
    if (first_chunk && is_bdat && cell.code == 250 && wish == 'h')
      return state = cell.next == R ? R : X, 554;
    if (token.special == Special::message && cell.code == 250) return deliver();
    if (cell.next == M && before == R) wish = token.wish, recipients = 0;
    if (cell.next == C && cell.code == 250 && (before == M || before == C) && is_rcpt(token))
      ++recipients;
    if (cell.next == D)
      lone = false, at_line_start = in_header = true, in_field = false, refusal = 0;
    return cell.code;
  }

 private:
  static bool is_rcpt(const Token& token) { return token.bytes[0] == 'R' && token.bytes[1] == 'C'; }
  int log_in() {
    if (authenticated) return 503;
    if (!tls) return 538;
    authenticated = true;
    return 235;
  }
  int take_content(const Token& token) {
    bool ends = token.special == Special::dot && at_line_start;
    bool field = token.special == Special::field;
    if (at_line_start && in_header && !lone && refusal == 0 && *token.bytes != '\0') {
      if (in_field && wish == 'f') refusal = 554;
      in_field = field;
      in_header = field;
      if (!in_header && refusal == 0 && wish == 'h') refusal = 554;
    }
    at_line_start = token.special != Special::bad_octets;
    if (!at_line_start) lone = true;
    if (!ends) return 0;
    if (refusal == 0 && !lone) return deliver();
    state = R;
    return refusal != 0 ? refusal : 550;
  }
  // What ends a session ends it here, too.
  int take_refused(const Token& token) {
    if (token.cells[F].next != E) return 503;
    state = E;
    return token.cells[F].code;
  }
};

// The engine with a host that follows the same wishes. Copied at each branch of the walk.
struct Subject {
  ServerEngine engine;
  bool open = false;
  bool closed = false;
  int messages = 0;
  int message_recipients = 0;
  std::string content;

  // wanted: the client is greeted.
  Subject(const ServerOptions& options, bool wanted) : engine(options), greets(wanted) {
    engine.begin();
    while (step()) {
    }
    CHECK(reply() == (wanted ? 220 : 554));
  }
  bool greets;

  static int code_of(std::string_view local) {
    return local == "no" ? 550 : local == "later" ? 450 : 250;
  }
  char wish() const {
    std::string_view local = engine.envelope().reverse_path.local();
    return local.size() == 3 ? local[2] : '\0';
  }

  void take(const Token& token) {
    if (token.special == Special::host_ends)
      engine.shut_down({421, {4, 3, 2}, "bye"}, "host");
    else
      engine.receive(token.bytes);
    while (step()) {
    }
  }

  bool step() {
    Event event = engine.next(content);
    switch (event.kind) {
      case EventKind::need_more:
      case EventKind::waiting:
        return false;
      case EventKind::close:
        closed = true;
        return false;
      case EventKind::connect: {
        bool wanted = greets && engine.claim().address.value_or("") != kUnwanted;
        engine.answer({wanted ? 220 : 554, {}, "x"});
        return true;
      }
      case EventKind::unknown_command: {
        bool dot = engine.unknown_command() == ".";
        engine.answer({dot ? 500 : 0, {}, "x"});  // what the engine says without an answer
        return true;
      }
      case EventKind::header_field:
        engine.answer({wish() == 'f' ? 554 : 250, {}, "x"});
        return true;
      case EventKind::header_end:
        engine.answer({wish() == 'h' ? 554 : 250, {}, "x"});
        return true;
      case EventKind::hello:
        engine.offer_auth("PLAIN");
        engine.answer({250, {}, {}});
        return true;
      case EventKind::mail: {
        int code = code_of(engine.mail().envelope.reverse_path.local());
        open = code == 250;
        engine.answer({code, {}, "x"});
        return true;
      }
      case EventKind::rcpt:
        engine.answer({code_of(engine.rcpt().address.local()), {}, "x"});
        return true;
      case EventKind::data: {
        bool refused = wish() == 'd';
        // Refused at DATA the transaction is over without a further event but reset.
        engine.answer({refused ? 451 : 354, {}, "x"});
        return true;
      }
      case EventKind::content_end: {
        int code = wish() == 'l' ? 451 : wish() == 'n' ? 554 : 250;
        if (code == 250)
          ++messages, message_recipients += static_cast<int>(engine.envelope().recipients.size());
        open = false;
        content.clear();
        engine.answer({code, {}, "x"});
        return true;
      }
      case EventKind::content_refused:
      case EventKind::reset:
        open = false;
        content.clear();
        return true;
      case EventKind::auth:
        engine.answer({235, {2, 7, 0}, "x"});
        return true;
      case EventKind::starttls:
        engine.answer({220, {2, 0, 0}, "x"});
        engine.tls_started();
        return true;
      case EventKind::xclient:
        engine.answer({220, {}, "x"});
        return true;
      case EventKind::xforward:
        engine.answer({250, {}, "x"});
        return true;
      case EventKind::content:
      case EventKind::auth_over:
        return true;
    }
    return false;
  }

  // The code of the one reply that was given; 0: none, -1: more than one. Takes the output.
  int reply() {
    std::string& output = engine.output();
    int code = output.empty() ? 0 : std::stoi(output.substr(0, 3));
    for (std::size_t at = 0; at < output.size();) {
      std::size_t end = output.find("\r\n", at) + 2;
      if (output[at + 3] == ' ' && end != output.size()) code = -1;
      at = end;
    }
    output.clear();
    return code;
  }
};

bool agree(const Model& model, int want, Subject& subject) {
  return subject.reply() == want && subject.open == model.open() &&
         subject.closed == (model.state == E) && subject.messages == model.messages &&
         subject.message_recipients == model.message_recipients;
}

ServerOptions options() {
  ServerOptions out;
  out.hostname = "mx.test";
  out.errors = 1000;
  out.starttls = true;
  out.auth = true;
  out.xclient = true;
  out.ask = {true, true, true};
  return out;
}

struct Walk {
  std::size_t tokens;
  std::size_t steps = 0;
  std::vector<std::size_t> path{};
  std::string wrong{};

  void blame() {
    for (std::size_t token : path) wrong += kTokens[token].bytes;
    if (wrong.empty()) wrong = "(the host ends)";
  }
  void down(const Model& model, const Subject& subject, int left) {
    for (std::size_t t = 0; t < tokens && wrong.empty(); ++t) {
      Model next_model = model;
      Subject next = subject;
      path.push_back(t);
      ++steps;
      int want = next_model.take(kTokens[t]);
      next.take(kTokens[t]);
      if (!agree(next_model, want, next))
        blame();
      else if (left > 1 && !next.closed)
        down(next_model, next, left - 1);
      path.pop_back();
    }
  }
};

}  // namespace

TEST_CASE("every sequence of five commands against the reference model", "[server][model]") {
  Walk walk{kFirstTokens};
  Subject subject(options(), true);
  walk.down(Model(), subject, 5);
  INFO(walk.wrong);
  CHECK(walk.wrong.empty());
  // 24 of 27 leave the session open.
  CHECK(walk.steps == std::size_t{27} * (1 + 24 + 576 + 13824 + 331776));
}

TEST_CASE("every sequence of four with refusals at connect and of header sections",
          "[server][model]") {
  Walk walk{kAllTokens};
  Subject greeted(options(), true);
  walk.down(Model(), greeted, 4);
  Subject refused(options(), false);
  Model model;
  model.state = Z;
  walk.down(model, refused, 3);
  INFO(walk.wrong);
  CHECK(walk.wrong.empty());
  CHECK(walk.steps == std::size_t{31} * (1 + 28 + 784 + 21952) + std::size_t{31} * (1 + 28 + 784));
}

TEST_CASE("long random sequences against the reference model", "[server][model]") {
  unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  std::size_t messages = 0;
  for (int round = 0; round < 100000; ++round) {
    Model model;
    Subject subject(options(), true);
    std::string script;
    std::size_t length = 1 + random() % 50;
    for (std::size_t i = 0; i < length && !subject.closed; ++i) {
      // Mostly what leads on, or hardly any sequence would come as far as content.
      constexpr std::size_t kOnwards[7][6] = {
          {0, 0, 0, 0, 0, 19},      {1, 24, 25, 26, 27, 28},  {5, 5, 5, 5, 6, 7},
          {5, 9, 9, 12, 13, 9},     {12, 12, 12, 13, 13, 14}, {16, 16, 16, 16, 0, 12},
          {10, 11, 11, 14, 29, 29},
      };
      bool onwards = model.state < std::size(kOnwards) && random() % 4 != 0;
      std::size_t t = onwards ? kOnwards[model.state][random() % 6] : random() % kAllTokens;
      script += kTokens[t].bytes;
      int want = model.take(kTokens[t]);
      subject.take(kTokens[t]);
      if (agree(model, want, subject)) continue;
      INFO("seed " << seed << "\n" << script << "wanted " << want);
      REQUIRE(false);
    }
    messages += static_cast<std::size_t>(subject.messages);
  }
  CHECK(messages > 10000);
}
