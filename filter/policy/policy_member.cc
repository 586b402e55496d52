// What a policy service is asked, and how that fails. (policy_wishes.cc: what it answers.)
#include "filter/policy/policy_member.h"

#include <algorithm>
#include <utility>

#include "filter/policy/policy_question.h"

namespace postwain::filter {

using ipc::FilterFailure;
using ipc::FilterStage;
using ipc::FilterVerdict;

PolicyMember::PolicyMember(Shared& shared, PolicyService& service, const SessionFacts& facts,
                           MemberOwner& owner)
    : shared_(shared),
      service_(service),
      facts_(facts),
      owner_(owner),
      record_(service, shared.clock, facts) {}

// --- what it is asked ----------------------------------------------------------------------------

void PolicyMember::give(const ipc::FilterEvent& event) {
  bool is_known = service_.settings().clients == config::FilterClients::strangers && event.known;
  if (is_of_message(event.stage) && event.stage != FilterStage::mail && !hears()) return;
  record_.set_stage(event.stage);
  switch (event.stage) {
    case FilterStage::connect:
    case FilterStage::helo:
      wishes_of(event.stage) = {};
      owed_ &= ~bit_of(event.stage);
      if (!is_known) want_question(event.stage);
      break;
    case FilterStage::mail:
      if (is_known) return;
      if (!record_.take_part()) {
        opinion_ = fail(FilterFailure::breaker, "it has failed again and again");
        return;
      }
      for (FilterStage stage : {FilterStage::connect, FilterStage::helo})
        if ((owed_ & bit_of(stage)) != 0) to_ask_.push_back(stage);
      want_question(FilterStage::mail);
      break;
    case FilterStage::rcpt:
      if (event.rejected) return;
      message_.recipient = event.text;
      want_question(FilterStage::rcpt);
      break;
    case FilterStage::data:
      want_question(FilterStage::data);
      message_.ends = !service_.asks_at(FilterStage::end_of_message);
      break;
    case FilterStage::unknown:
    case FilterStage::end_of_header:
    case FilterStage::end_of_message:
      return;
  }
  ask_next();
}

void PolicyMember::give_end_of_message() {
  record_.set_stage(FilterStage::end_of_message);
  message_.ends = true;
  want_question(FilterStage::end_of_message);
  ask_next();
}

void PolicyMember::want_question(FilterStage stage) {
  if (!service_.asks_at(stage)) return;
  // A message under way has its leave of the breaker already.
  if (!is_of_message(stage) && service_.breaker().keeps_away(shared_.clock.mono()))
    owed_ |= bit_of(stage);
  else
    to_ask_.push_back(stage);
}

void PolicyMember::ask_next() {
  if (asked_ || to_ask_.empty()) return;
  FilterStage stage = to_ask_.front();
  to_ask_.pop_front();
  connection_ = service_.connection(shared_);
  ask(stage);
}

void PolicyMember::ask(FilterStage stage) {
  asked_ = stage;
  asked_at_ = shared_.clock.mono();
  std::string instance = facts_.envelope ? facts_.id() : std::string();
  instance +=
      '.' + std::to_string(facts_.session.session) + '.' + std::to_string(session_.messages);
  Duration rest = std::max(service_.settings().timeout.message - message_.waited, Duration(0));
  connection_->ask(policy_question(facts_, stage, message_.recipient, instance), rest, owner_);
}

// --- what comes of it ----------------------------------------------------------------------------

std::optional<Opinion> PolicyMember::poll() {
  if (opinion_) return std::exchange(opinion_, std::nullopt);
  Opinion out;
  while (asked_) {
    if (connection_->failure() != FilterFailure::none) return question_failed();
    std::optional<policy_service::Answer> answer = connection_->take_answer();
    if (!answer) return std::nullopt;
    message_.waited += shared_.clock.mono() - asked_at_;
    FilterStage stage = *std::exchange(asked_, std::nullopt);
    owed_ &= ~bit_of(stage);
    service_.keep(std::move(connection_));
    Opinion said = heard(stage, std::move(*answer));
    if (said.when == Opinion::When::if_refused) {
      out = std::move(said);
    } else if (said.verdict != FilterVerdict::keep_going) {
      to_ask_.clear();
      return said;
    }
    ask_next();
  }
  if (message_.ends && hears()) {
    record_.passed(message_.remark);
    complete();
  }
  return out;
}

std::optional<Opinion> PolicyMember::question_failed() {
  FilterStage stage = *asked_;
  if (connection_->was_stale()) {
    connection_ = std::make_unique<PolicyConnection>(shared_, service_.settings());
    ask(stage);
    return std::nullopt;
  }
  FilterFailure failure = connection_->failure();
  std::string why = connection_->why();
  message_.waited += shared_.clock.mono() - asked_at_;
  // The message that comes asks again.
  if (!record_.is_in_message()) owed_ |= bit_of(stage);
  return fail(failure, why);
}

Opinion PolicyMember::fail(FilterFailure failure, const std::string& why) {
  bool in_message = record_.is_in_message();
  connection_.reset();
  asked_.reset();
  to_ask_.clear();
  message_.wishes = {};
  message_.holds = false;
  message_.edits = 0;
  Opinion out = record_.fail(failure, why);
  if (in_message) complete();
  return out;
}

void PolicyMember::complete() {
  ipc::FilterJudgement& said = *record_.judgement();
  said.milliseconds = static_cast<std::uint32_t>(message_.waited.count());
  said.edits = message_.edits;
  said.edits_not_allowed += message_.edits_not_allowed;
  said.hold = said.hold || message_.holds;
}

// --- the ends of messages ------------------------------------------------------------------------

void PolicyMember::abort() {
  // A question about the session goes on.
  if (asked_ && is_of_message(record_.stage())) {
    connection_.reset();
    asked_.reset();
  }
  if (!asked_) to_ask_.clear();
  record_.abort();
  opinion_.reset();
  message_ = {};
}

void PolicyMember::begin_message() {
  abort();
  record_.begin_message();
  ++session_.messages;
  message_.wishes = session_.connect;
  message_.wishes.add(session_.helo);
}

}  // namespace postwain::filter
