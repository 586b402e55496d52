#include "common/ipc/filter_messages.h"

#include "common/ipc/coding.h"

namespace postwain::ipc {

namespace {

// A text that is longer does not decode.
template <class A, class T>
void short_text(A& a, T& text, std::size_t most = kFilterTextMax) {
  field(a, text);
  if constexpr (A::kDecoding) {
    if (text.size() > most) a.fail();
  }
}

template <class A, class... T>
void short_texts(A& a, T&... texts) {
  (short_text(a, texts), ...);
}

template <class A, class List>
void short_list(A& a, List& list, std::size_t most) {
  list_field(a, list);
  if constexpr (A::kDecoding) {
    if (list.size() > most) a.fail();
  }
}

template <class A, class List>
void short_text_list(A& a, List& list, std::size_t most) {
  short_list(a, list, most);
  if constexpr (A::kDecoding) {
    for (const std::string& text : list)
      if (text.size() > kFilterTextMax) a.fail();
  }
}

template <class A, class T>
void reply_field(A& a, T& reply) {
  field(a, reply);
  if constexpr (A::kDecoding) {
    if (reply.text.size() > kFilterTextMax) a.fail();
  }
}

}  // namespace

PW_VISIT(FilterSession) {
  field(a, v.session);
  short_text(a, v.listener);
  field(a, v.kind);
  enum_field(a, v.family, FilterSession::Family::local);
  short_texts(a, v.client_name, v.client_address);
  field(a, v.client_port);
}
PW_VISIT(FilterMacro) {
  short_texts(a, v.name, v.value);
}
PW_VISIT(FilterEvent) {
  fields(a, v.session, v.number, v.stage, v.awaited, v.rejected, v.known, v.talked_early);
  short_text(a, v.text);
  short_text_list(a, v.arguments, kFilterArgumentsMax);
  short_list(a, v.macros, kFilterMacrosMax);
  field(a, v.size);
}
PW_VISIT(FilterHeader) {
  fields(a, v.session, v.hidden);
  short_text(a, v.section, kFilterSectionMax);
}
PW_VISIT(FilterBody) {
  field(a, v.session);
  short_text(a, v.octets, kFilterPieceMax);
}
PW_VISIT(FilterAbort) {
  field(a, v.session);
}
PW_VISIT(FilterQuit) {
  field(a, v.session);
}
PW_VISIT(FilterWindow) {
  fields(a, v.session, v.octets);
}
PW_VISIT(FilterWants::Listener) {
  short_text(a, v.name);
  fields(a, v.stages, v.body);
}
PW_VISIT(FilterWants) {
  short_list(a, v.listeners, kFilterListenersMax);
}
PW_VISIT(FilterScore) {
  short_text(a, v.name, kFilterScoreNameMax);
  field(a, v.thousandths);
}
PW_VISIT(FilterEditKinds) {
  fields(a, v.headers, v.recipients, v.body, v.sender);
}
PW_VISIT(FilterJudgement) {
  short_text(a, v.filter);
  fields(a, v.stage, v.verdict, v.hold);
  short_text(a, v.text, kFilterJudgementTextMax);
  fields(a, v.milliseconds, v.edits, v.edits_not_allowed, v.failure, v.watch);
  fields(a, v.score, v.score_limit);
  short_list(a, v.scores, kFilterScoresMax);
  field(a, v.edited);
}
PW_VISIT(FilterAnswer) {
  fields(a, v.session, v.number, v.verdict);
  reply_field(a, v.reply);
  short_text(a, v.filter);
  short_list(a, v.judgements, kFilterJudgementsMax);
}
PW_VISIT(FilterBodyPiece) {
  field(a, v.session);
  short_text(a, v.octets, kFilterPieceMax);
}
PW_VISIT(FilterAddress) {
  short_texts(a, v.address, v.arguments);
}
PW_VISIT(FilterResult) {
  fields(a, v.session, v.number, v.verdict);
  reply_field(a, v.reply);
  short_text(a, v.filter);
  optional_field(a, v.hold);
  field(a, v.header_changed);
  short_text(a, v.section, kFilterSectionMax);
  field(a, v.body_replaced);
  optional_field(a, v.sender);
  short_list(a, v.recipients_added, kFilterRecipientsMax);
  short_text_list(a, v.recipients_removed, kFilterRecipientsMax);
  short_list(a, v.judgements, kFilterJudgementsMax);
  if constexpr (A::kDecoding) {
    if (v.hold && v.hold->size() > kFilterTextMax) a.fail();
  }
}

PW_MESSAGE(FilterSession)
PW_MESSAGE(FilterEvent)
PW_MESSAGE(FilterHeader)
PW_MESSAGE(FilterBody)
PW_MESSAGE(FilterAbort)
PW_MESSAGE(FilterQuit)
PW_MESSAGE(FilterWindow)
PW_MESSAGE(FilterWants)
PW_MESSAGE(FilterAnswer)
PW_MESSAGE(FilterBodyPiece)
PW_MESSAGE(FilterResult)

std::string_view name_of(FilterKind kind) {
  constexpr std::string_view kNames[] = {"world", "submission", "local", "notices"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string_view name_of(FilterStage stage) {
  constexpr std::string_view kNames[] = {"connect", "EHLO",    "MAIL",          "RCPT",
                                         "DATA",    "unknown", "end of header", "end of message"};
  return kNames[static_cast<std::size_t>(stage)];
}

std::string_view name_of(FilterVerdict verdict) {
  constexpr std::string_view kNames[] = {"accept", "refuse", "defer", "discard", "hang_up"};
  return kNames[static_cast<std::size_t>(verdict)];
}

std::string_view name_of(FilterFailure failure) {
  constexpr std::string_view kNames[] = {"none",     "unreachable", "closed", "late",
                                         "protocol", "breaker",     "own"};
  return kNames[static_cast<std::size_t>(failure)];
}

}  // namespace postwain::ipc
