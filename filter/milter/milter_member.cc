#include "filter/milter/milter_member.h"

#include <utility>

#include "common/content/header_edits.h"
#include "filter/deciding/filter_rules.h"
#include "filter/milter/outside_filter.h"

namespace postwain::filter {

using ipc::FilterFailure;
using ipc::FilterStage;

namespace {

bool begins_something(FilterStage stage) {
  return stage == FilterStage::connect || stage == FilterStage::helo || stage == FilterStage::mail;
}

milter::ClientAddress client_of(const ipc::FilterSession& session) {
  using From = ipc::FilterSession::Family;
  using To = milter::ClientAddress::Family;
  constexpr To kFamilies[] = {To::unknown, To::ipv4, To::ipv6, To::local};
  static_assert(static_cast<std::size_t>(From::local) == 3);
  return {kFamilies[static_cast<std::size_t>(session.family)], session.client_name,
          session.client_address, session.client_port};
}

}  // namespace

MilterMember::MilterMember(Shared& shared, OutsideFilter& filter, const SessionFacts& facts,
                           MemberOwner& owner)
    : shared_(shared),
      filter_(filter),
      facts_(facts),
      owner_(owner),
      record_(filter, shared.clock, facts) {}

MilterMember::~MilterMember() {
  abort();
  leave();
}

// --- what it is told -----------------------------------------------------------------------------

void MilterMember::macros_changed(std::span<const ipc::FilterMacro> macros) {
  if (!connection_ || !connection_->ready() || !state_.greeted) return;
  for (const ipc::FilterMacro& macro : macros)
    connection_->engine().set_macro(macro.name, macro.value);
}

void MilterMember::open() {
  state_ = {};
  expected_.clear();
  config::FilterRights may = rights_at(filter_.terms().may, facts_.session.kind);
  connection_ = filter_.pool().take(shared_, may, owner_);
  state_.retry = connection_->ready();
}

// After the one of the pool, which may have ended unseen, a new one.
void MilterMember::open_anew() {
  state_ = {};
  expected_.clear();
  config::FilterRights may = rights_at(filter_.terms().may, facts_.session.kind);
  connection_ = filter_.pool().open(shared_, may, owner_);
}

void MilterMember::leave() {
  if (connection_ && connection_->engine().is_spent()) filter_.keep_in_step(shared_.clock.mono());
  if (connection_) filter_.pool().give_back(shared_, std::move(connection_));
  state_ = {};
  expected_.clear();
  waiting_.reset();
}

void MilterMember::give(const ipc::FilterEvent& event) {
  record_.set_stage(event.stage);
  // An idle connection that ended harms nobody.
  if (!hears() && connection_ && connection_->is_over()) leave();
  if (event.stage == FilterStage::mail) {
    if (!record_.take_part()) {
      opinion_ = fail(FilterFailure::breaker, "it has failed again and again");
      return;
    }
    message_.mail = event;
  } else if (is_of_message(event.stage) && !hears()) {
    return;
  }
  if (!connection_) {
    if (!begins_something(event.stage)) return;
    if (event.stage != FilterStage::mail && filter_.breaker().keeps_away(shared_.clock.mono()))
      return;
    open();
  } else if (event.stage == FilterStage::mail) {
    state_.retry = state_.greeted;
  }
  if (event.stage == FilterStage::mail) connection_->begin_message();
  if (connection_->ready())
    tell(event);
  else
    waiting_ = event;
}

// The filter hears of the session, as it is now.
void MilterMember::greet() {
  milter::MilterEngine& engine = connection_->engine();
  filter_.pool().refill(shared_);
  if (filter_.learn(*engine.agreement()) && shared_.wants_changed) shared_.wants_changed();
  state_.leading_space = engine.agreement()->has(milter::protocol::kHeaderLeadingSpace);
  for (const auto& [name, value] : facts_.macros) engine.set_macro(name, value);
  engine.connect(client_of(facts_.session));
  expect(milter::Stage::connect);
  if (facts_.helo) {
    engine.helo(*facts_.helo);
    expect(milter::Stage::helo);
  }
  state_.greeted = true;
}

void MilterMember::tell(const ipc::FilterEvent& event) {
  milter::MilterEngine& engine = connection_->engine();
  engine.go_ahead(filter_.goes_ahead(shared_.clock.mono()));
  bool knows_session = state_.greeted;
  if (!knows_session) greet();
  switch (event.stage) {
    case FilterStage::connect:
      break;
    case FilterStage::helo:
      if (!knows_session) break;
      engine.helo(event.text);
      expect(milter::Stage::helo);
      break;
    case FilterStage::mail:
      engine.mail(event.text, event.arguments);
      expect(milter::Stage::mail);
      if (state_.ends_session) record_.settle();
      break;
    case FilterStage::rcpt:
      if (event.rejected) {
        engine.rejected_rcpt(event.text, event.arguments);
        break;
      }
      engine.rcpt(event.text, event.arguments);
      expect(milter::Stage::rcpt);
      break;
    case FilterStage::data:
      engine.data();
      expect(milter::Stage::data);
      break;
    case FilterStage::unknown:
      engine.unknown(event.text);
      expect(milter::Stage::unknown);
      break;
    case FilterStage::end_of_header:
    case FilterStage::end_of_message:
      break;
  }
  connection_->push();
}

void MilterMember::give_header(const mail::HeaderEdits& header) {
  record_.set_stage(FilterStage::end_of_header);
  if (!hears() || !connection_->ready()) return;
  for (std::string_view field : header.shown()) {
    std::size_t colon = field.find(':');
    if (colon == std::string_view::npos) continue;
    std::string_view name = field.substr(0, colon);
    std::string_view value = field.substr(colon + 1);
    if (value.ends_with("\r\n")) value.remove_suffix(2);
    connection_->engine().header(name.substr(0, name.find_last_not_of(" \t") + 1), value);
  }
  connection_->engine().end_of_header();
  expect(milter::Stage::end_of_header);
  connection_->push();
}

void MilterMember::give_body(std::string_view octets) {
  record_.set_stage(FilterStage::end_of_message);
  if (!hears() || !connection_->ready()) return;
  connection_->engine().body(octets);
  connection_->push();
}

void MilterMember::give_end_of_message() {
  record_.set_stage(FilterStage::end_of_message);
  if (!hears() || !connection_->ready()) return;
  connection_->engine().end_of_message();
  expect(milter::Stage::end_of_message);
  connection_->push();
}

// --- the ends of messages ------------------------------------------------------------------------

void MilterMember::begin_message() {
  abort();
  record_.begin_message();
}

void MilterMember::abort() {
  record_.abort();
  opinion_.reset();
  forget_edits();
  if (!connection_) return;
  bool greets = waiting_ || (!expected_.empty() && (expected_.front() == milter::Stage::connect ||
                                                    expected_.front() == milter::Stage::helo));
  // The engine would forget a greeting that is under way, too.
  if (greets || connection_->is_over() || connection_->engine().is_ahead()) return leave();
  expected_.clear();
  if (!connection_->ready()) return;
  connection_->engine().abort();
  connection_->push();
}

}  // namespace postwain::filter
