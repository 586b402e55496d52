// A host for the server engine in tests: answers every question by simple rules and remembers what
// was accepted. Local parts that begin with "no" are unknown, "later" are deferred.
// AUTH succeeds with "good".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/smtp/server/server_engine.h"

namespace postwain::smtp {

class TestHost {
 public:
  struct Message {
    mail::Envelope envelope;
    std::string content;
  };

  explicit TestHost(ServerOptions options) : engine(std::move(options)) { engine.greet(); }

  // Feeds bytes and answers until nothing more happens. With `late` every question stays open until
  // settle(), so that pipelined bytes pile up behind it.
  void feed(std::string_view bytes) {
    engine.receive(bytes);
    pump();
  }
  // Answers the open question and those that follow it.
  void settle() {
    while (asked) {
      answer();
      pump();
    }
  }
  std::string take_output() {
    std::string out = std::move(engine.output());
    engine.output().clear();
    return out;
  }

  ServerEngine engine;
  bool late = false;
  mail::Reply final_reply{250, {2, 0, 0}, "Ok: queued"};
  mail::Reply data_reply{354, {}, "Go on"};
  std::vector<Message> accepted;
  std::vector<std::string> refused;  // replies of content_refused
  int resets = 0;
  bool asked = false;
  bool closed = false;
  std::string why;
  bool tls_wanted = false;

 private:
  void pump() {
    for (;;) {
      Event event = engine.next(content);
      switch (event.kind) {
        case EventKind::need_more:
          return;
        case EventKind::waiting:
          return;
        case EventKind::close:
          closed = true;
          why = event.why;
          return;
        case EventKind::reset:
          ++resets;
          content.clear();
          break;
        case EventKind::content_refused:
          refused.push_back(event.reply.one_line());
          content.clear();
          break;
        case EventKind::content:
        case EventKind::auth_over:
          break;
        case EventKind::hello:
        case EventKind::mail:
        case EventKind::rcpt:
        case EventKind::data:
        case EventKind::content_end:
        case EventKind::auth:
        case EventKind::xclient:
        case EventKind::xforward:
        case EventKind::starttls:
          question = event.kind;
          asked = true;
          if (late) return;
          answer();
          break;
      }
    }
  }

  void answer() {
    asked = false;
    if (question == EventKind::mail) return engine.answer({250, {2, 1, 0}, "Ok"});
    if (question == EventKind::data) {
      if (data_reply.code == 354) envelope = engine.take_envelope();
      return engine.answer(data_reply);
    }
    if (question == EventKind::rcpt) {
      std::string_view local = engine.rcpt().address.local();
      if (local.substr(0, 2) == "no") return engine.answer({550, {5, 1, 1}, "Unknown"});
      if (local.substr(0, 5) == "later") return engine.answer({450, {4, 2, 0}, "Later"});
      return engine.answer({250, {2, 1, 5}, "Ok"});
    }
    if (question == EventKind::content_end) {
      if (final_reply.positive()) accepted.push_back({std::move(envelope), content});
      content.clear();
      return engine.answer(final_reply);
    }
    if (question == EventKind::starttls) {
      tls_wanted = true;
      return engine.answer({220, {2, 0, 0}, "Ready"});
    }
    if (question == EventKind::auth) return answer_auth();
    if (question == EventKind::xclient) return engine.answer({220, {2, 0, 0}, "Ok"});
    if (question == EventKind::xforward) return engine.answer({250, {2, 0, 0}, "Ok"});
    engine.offer_auth("PLAIN LOGIN");
    engine.answer({250, {}, {}});
  }

  // "good" is right, "more" and no response lead to a challenge, all else is wrong.
  void answer_auth() {
    std::string said = engine.auth_response().value_or("more");
    if (said == "more") return engine.answer({334, {}, "say " + engine.auth_mechanism()});
    if (said == "good") return engine.answer({235, {2, 7, 0}, "Welcome"});
    if (said == "busy") return engine.answer({454, {4, 7, 0}, "Later"});
    engine.answer({535, {5, 7, 8}, "Wrong"});
  }

  EventKind question = EventKind::need_more;
  std::string content;
  mail::Envelope envelope;
};

}  // namespace postwain::smtp
