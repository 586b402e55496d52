#include "filter/rspamd/rspamd_member.h"

#include <utility>

#include "common/base/text.h"
#include "common/content/header_edits.h"
#include "common/rspamd/scan_request.h"
#include "filter/deciding/message_edits.h"

namespace postwain::filter {

using config::FilterRight;
using ipc::FilterFailure;
using ipc::FilterStage;
using ipc::FilterVerdict;
using milter::Edit;
using rspamd::ScanAction;
using rspamd::ScanAnswer;

namespace {

std::string_view bare_path(std::string_view address) {
  if (address.size() >= 2 && address.front() == '<' && address.back() == '>')
    return address.substr(1, address.size() - 2);
  return address;
}

std::string_view told_macro(const SessionFacts& facts, const std::string& name) {
  auto found = facts.macros.find(name);
  return found == facts.macros.end() ? std::string_view() : found->second;
}

}  // namespace

RspamdMember::RspamdMember(Shared& shared, RspamdService& service, const SessionFacts& facts,
                           MemberOwner& owner)
    : shared_(shared),
      service_(service),
      facts_(facts),
      owner_(owner),
      record_(service, shared.clock, facts) {}

// --- what it is told -----------------------------------------------------------------------------

void RspamdMember::give(const ipc::FilterEvent& event) {
  if (event.stage != FilterStage::mail) return;
  record_.set_stage(event.stage);
  if (!record_.take_part())
    opinion_ = fail(FilterFailure::breaker, "it has failed again and again");
}

std::string RspamdMember::question() const {
  rspamd::ScanRequest out(service_.settings().socket.text());
  std::string_view name = told_macro(facts_, "client_name");
  if (name.empty()) name = facts_.session.client_name;
  out.add("IP", facts_.session.client_address)
      .add("Hostname", name.starts_with('[') ? std::string_view() : name)
      .add("Helo", facts_.helo.value_or(std::string()))
      .add("MTA-Name", told_macro(facts_, "j"))
      .add("User", told_macro(facts_, "auth_authen"))
      .add("TLS-Cipher", told_macro(facts_, "cipher"))
      .add("TLS-Version", told_macro(facts_, "tls_version"))
      .add("Queue-Id", facts_.id());
  if (!facts_.envelope) return out.finish();
  std::string_view sender = bare_path(facts_.envelope->sender);
  out.add("From", sender.empty() ? "<>" : sender);
  for (const std::string& recipient : facts_.envelope->recipients)
    out.add("Rcpt", bare_path(recipient));
  if (facts_.envelope->recipients.size() == 1)
    out.add("Deliver-To", bare_path(facts_.envelope->recipients.front()));
  return out.finish();
}

void RspamdMember::give_header(const mail::HeaderEdits& header) {
  record_.set_stage(FilterStage::end_of_message);
  if (!hears()) return;
  connection_ = std::make_unique<ScanConnection>(shared_, service_.settings(), owner_);
  connection_->write(question());
  std::string section;
  for (std::string_view field : header.shown()) {
    section += field;
    std::string_view name = field.substr(0, field.find(':'));
    ++fields_[to_lower(name.substr(0, name.find_last_not_of(" \t") + 1))];
  }
  connection_->write(rspamd::chunk_of(section += "\r\n"));
}

void RspamdMember::give_body(std::string_view octets) {
  if (hears() && connection_) connection_->write(rspamd::chunk_of(octets));
}

void RspamdMember::give_end_of_message() {
  if (!hears() || !connection_) return;
  connection_->write(rspamd::kLastChunk);
  connection_->finish();
}

// --- what comes of it ----------------------------------------------------------------------------

std::optional<Opinion> RspamdMember::poll() {
  if (opinion_) return std::exchange(opinion_, std::nullopt);
  if (!connection_ || !hears()) return Opinion{};
  if (connection_->failure() != FilterFailure::none) {
    std::string why = connection_->why();
    return fail(connection_->failure(), why);
  }
  if (const rspamd::HttpReader* answer = connection_->answer()) return heard(*answer);
  if (connection_->is_finished()) return std::nullopt;
  return Opinion{};
}

Opinion RspamdMember::heard(const rspamd::HttpReader& reader) {
  if (reader.status() != 200)
    return fail(FilterFailure::protocol,
                "it answers with the status " + std::to_string(reader.status()));
  if (!connection_->is_finished())
    return fail(FilterFailure::protocol, "it answers before the message is whole");
  std::optional<ScanAnswer> answer = rspamd::read_scan_answer(reader.body());
  if (!answer) return fail(FilterFailure::protocol, "its answer is not that of Rspamd");
  return heard(*answer);
}

Opinion RspamdMember::heard(const ScanAnswer& answer) {
  answered_ = answer.action;
  auto words = [&](const char* ours) { return answer.message.empty() ? ours : answer.message; };
  Opinion out;
  switch (answer.action) {
    case ScanAction::reject:
      out = record_.refused(FilterVerdict::refuse, {554, {5, 7, 1}, words("Spam message rejected")},
                            true);
      break;
    case ScanAction::soft_reject:
      out = record_.refused(FilterVerdict::defer, {451, {4, 7, 1}, words("Try again later")}, true);
      break;
    case ScanAction::discard:
      out = record_.refused(FilterVerdict::discard, {}, true);
      break;
    case ScanAction::none:
    case ScanAction::add_header:
    case ScanAction::rewrite_subject:
    case ScanAction::quarantine:
      note_edits(answer);
      record_.passed(std::string(answer.skipped ? "not looked at" : name_of(answer.action)));
      break;
  }
  complete(answer);
  connection_.reset();
  return out;
}

void RspamdMember::note(FilterRight right, Edit edit) {
  if (!record_.may(right)) {
    ++edits_not_allowed_;
    return;
  }
  ++edits_asked_;
  if (!record_.watched()) edits_.push_back(std::move(edit));
}

// Before those that are added; the last one first, since each one moves those behind it.
void RspamdMember::remove_fields(const ScanAnswer::Removed& removed) {
  auto found = fields_.find(to_lower(removed.name));
  auto number = found == fields_.end() ? 0 : static_cast<std::int32_t>(found->second);
  std::int32_t first = removed.index < 0 ? number + 1 + removed.index : removed.index;
  std::int32_t last = first;
  if (removed.index == 0) {
    first = 1;
    last = number;
  }
  for (std::int32_t at = last; at >= first && at >= 1 && at <= number; --at)
    note(FilterRight::headers,
         {Edit::Kind::change_header, static_cast<std::uint32_t>(at), removed.name, {}});
}

// As Rspamd's own milter does them.
void RspamdMember::note_edits(const ScanAnswer& answer) {
  for (const ScanAnswer::Removed& removed : answer.removed) remove_fields(removed);
  if (answer.action == ScanAction::add_header)
    note(FilterRight::headers, {Edit::Kind::add_header, 0, "X-Spam", "Yes"});
  if (answer.action == ScanAction::rewrite_subject && !answer.subject.empty())
    note(FilterRight::headers, {Edit::Kind::change_header, 1, "Subject", answer.subject});
  if (answer.action == ScanAction::quarantine)
    note(FilterRight::hold, {Edit::Kind::quarantine, 0, {}, "quarantine"});
  for (const ScanAnswer::Field& field : answer.added) {
    Edit edit{Edit::Kind::add_header, field.order.value_or(0), field.name, field.value};
    if (field.order) edit.kind = Edit::Kind::insert_header;
    note(FilterRight::headers, std::move(edit));
  }
  for (const std::string& one : answer.recipients_removed)
    note(FilterRight::recipients, {Edit::Kind::delete_recipient, 0, one, {}});
  for (const std::string& one : answer.recipients_added)
    note(FilterRight::recipients, {Edit::Kind::add_recipient, 0, one, {}});
  if (answer.sender) note(FilterRight::sender, {Edit::Kind::change_sender, 0, *answer.sender, {}});
}

void RspamdMember::complete(const ScanAnswer& answer) {
  if (!record_.judgement()) return;
  ipc::FilterJudgement& said = *record_.judgement();
  said.milliseconds = static_cast<std::uint32_t>(connection_->waited().count());
  said.edits = edits_asked_;
  said.edited = kinds_of(edits_);
  said.edits_not_allowed += edits_not_allowed_;
  said.hold = answer.action == ScanAction::quarantine && record_.may(FilterRight::hold);
  said.score = answer.score;
  said.score_limit = answer.score_limit;
  for (const ScanAnswer::Symbol& symbol : answer.symbols)
    if (said.scores.size() < ipc::kFilterScoresMax)
      said.scores.push_back({symbol.name.substr(0, ipc::kFilterScoreNameMax), symbol.thousandths});
}

Opinion RspamdMember::fail(FilterFailure failure, const std::string& why) {
  bool in_message = record_.is_in_message();
  edits_.clear();
  Opinion out = record_.fail(failure, why);
  if (in_message && connection_)
    record_.judgement()->milliseconds = static_cast<std::uint32_t>(connection_->waited().count());
  connection_.reset();
  return out;
}

// --- the ends of messages ------------------------------------------------------------------------

void RspamdMember::abort() {
  record_.abort();
  connection_.reset();
  fields_.clear();
  edits_.clear();
  edits_asked_ = 0;
  edits_not_allowed_ = 0;
  opinion_.reset();
  answered_.reset();
}

void RspamdMember::begin_message() {
  abort();
  record_.begin_message();
}

}  // namespace postwain::filter
