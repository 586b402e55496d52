// A host for the server engine in tests: answers every question by simple rules and remembers what
// was accepted. Local parts that begin with "no" are unknown, "later" are deferred.
// AUTH succeeds with "good". Where it is asked about the header section it holds what it is told
// against the content itself; a strict one refuses fields whose name begins with "X-No".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/check.h"
#include "common/content/header_form.h"
#include "common/smtp/server/server_engine.h"

namespace postwain::smtp {

class TestHost {
 public:
  struct Message {
    mail::Envelope envelope;
    std::string content;
  };

  explicit TestHost(ServerOptions options) : engine(std::move(options)) { engine.begin(); }

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
  // Answers the open question only, and goes on to the next one.
  void settle_one() {
    PW_CHECK(asked);
    answer();
    pump();
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
  mail::Reply connect_reply{220, {}, {}};
  mail::Reply header_end_reply{250, {}, {}};
  mail::Reply unknown_reply;  // no code: the usual one
  bool strict = false;
  std::vector<std::string> fields;    // header fields told, of all messages
  std::vector<std::string> unknowns;  // unknown commands told
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
        case EventKind::waiting:
          return;
        case EventKind::close:
          closed = true;
          why = event.why;
          return;
        case EventKind::reset:
          ++resets;
          forget_content();
          break;
        case EventKind::content_refused:
          refused.push_back(event.reply.one_line());
          forget_content();
          break;
        case EventKind::content:
        case EventKind::auth_over:
          break;
        case EventKind::connect:
        case EventKind::hello:
        case EventKind::mail:
        case EventKind::rcpt:
        case EventKind::data:
        case EventKind::header_field:
        case EventKind::header_end:
        case EventKind::unknown_command:
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
    if (question == EventKind::connect) return engine.answer(connect_reply);
    if (question == EventKind::unknown_command) {
      unknowns.push_back(engine.unknown_command());
      return engine.answer(unknown_reply);
    }
    if (question == EventKind::header_field) return answer_field();
    if (question == EventKind::header_end) {
      PW_CHECK(!header_ended && content.find(header) != std::string::npos);
      header_ended = true;
      return engine.answer(header_end_reply);
    }
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
      if (engine.options().ask.header) check_header();
      if (final_reply.positive()) accepted.push_back({std::move(envelope), content});
      forget_content();
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

  void answer_field() {
    mail::HeaderField field = engine.header_field();
    PW_CHECK(!header_ended);
    std::size_t colon = field.text.find(':');
    std::string_view before = field.text.substr(0, colon);
    PW_CHECK(before.substr(0, field.name.size()) == field.name && !field.name.empty());
    PW_CHECK(before.find_first_not_of(" \t", field.name.size()) == std::string_view::npos);
    std::string_view end = field.text.substr(colon + 1 + field.value.size());
    PW_CHECK(field.text.substr(colon + 1, field.value.size()) == field.value);
    PW_CHECK(end == "\r\n" || end.empty());
    header += field.text;
    fields.emplace_back(field.text);
    bool refused_field = strict && field.name.substr(0, 4) == "X-No";
    if (refused_field) return engine.answer({550, {5, 7, 1}, "Field"});
    engine.answer({250, {}, {}});
  }

  // The fields, one after the other, are the header section as it is found in the whole content.
  void check_header() const {
    std::size_t from = 0;
    std::size_t size = mail::find_header_end(content, from, true).header;
    std::string_view whole = std::string_view(content).substr(0, size);
    for (bool first = true; !whole.empty(); first = false) {
      bool passed_over = first ? mail::is_mbox_line(whole.substr(0, whole.find("\r\n")))
                               : whole.front() == ' ' || whole.front() == '\t';
      if (!passed_over) break;
      std::size_t end = whole.find("\r\n");
      whole.remove_prefix(end == std::string_view::npos ? whole.size() : end + 2);
    }
    PW_CHECK(header_ended);
    PW_CHECK(header == whole);
  }

  void forget_content() {
    content.clear();
    header.clear();
    header_ended = false;
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
  std::string header;  // the fields told of this message
  bool header_ended = false;
  mail::Envelope envelope;
};

}  // namespace postwain::smtp
