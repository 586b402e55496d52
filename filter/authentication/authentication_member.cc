#include "filter/authentication/authentication_member.h"

#include <algorithm>
#include <utility>

#include "common/authentication/results/results_field.h"
#include "common/authentication/results/results_reader.h"
#include "common/base/text.h"
#include "common/log/log.h"
#include "common/mail/address.h"
#include "filter/deciding/dmarc_row.h"
#include "filter/deciding/message_edits.h"
#include "filter/deciding/telling/result_counts.h"
#include "filter/deciding/telling/result_macros.h"
#include "filter/deciding/telling/result_words.h"

namespace postwain::filter {

using authentication::DmarcEvaluation;
using authentication::SpfCheck;
using authentication::SpfFacts;
using authentication::arc::ArcVerify;
using authentication::dkim::DkimVerify;
using config::AuthenticationAction;
using ipc::FilterFailure;
using ipc::FilterStage;
using ipc::FilterVerdict;

namespace {

std::string joined(const std::vector<std::string_view>& fields) {
  std::string out;
  for (std::string_view field : fields) out += field;
  return out;
}

std::string_view bare_address(std::string_view address) {
  if (address.starts_with('<')) address.remove_prefix(1);
  if (address.ends_with('>')) address.remove_suffix(1);
  return address;
}

bool says_utf8(const std::vector<std::string>& arguments) {
  return std::any_of(arguments.begin(), arguments.end(),
                     [](const std::string& one) { return iequals(one, "SMTPUTF8"); });
}

}  // namespace

AuthenticationMember::AuthenticationMember(AuthenticationJudge& judge, const SessionFacts& facts,
                                           MemberOwner& owner)
    : judge_(judge),
      facts_(facts),
      owner_(owner),
      record_(judge, judge.clock(), facts),
      limit_(judge.clock().alarm()) {}

std::function<void()> AuthenticationMember::on_change() {
  return [this] { owner_.member_changed(); };
}

// --- what is told --------------------------------------------------------------------------------

// A client on a Unix socket has no address that a domain could speak of.
bool AuthenticationMember::has_address() const {
  using Family = ipc::FilterSession::Family;
  Family family = facts_.session.family;
  return family == Family::ipv4 || family == Family::ipv6;
}

void AuthenticationMember::give(const ipc::FilterEvent& event) {
  if (event.stage != FilterStage::mail || event.known) return;
  (void)record_.take_part();
  message_.emplace();
  AuthenticationFindings& findings = message_->findings;
  findings.client = facts_.session.client_address;
  findings.helo = facts_.helo.value_or(std::string());
  findings.mail_from = bare_address(event.text);
  message_->utf8 = says_utf8(event.arguments);
  if (judge_.settings().spf == AuthenticationAction::off || !has_address()) return;
  begin_spf();
  if (judge_.settings().looks_at_helo()) begin_spf_of_helo();
}

// Of the sender, else of the hello.
SpfFacts AuthenticationMember::spf_facts() const {
  const AuthenticationFindings& findings = message_->findings;
  SpfFacts facts;
  facts.client = findings.client;
  facts.helo = findings.helo;
  facts.mail_from = findings.mail_from;
  facts.receiver = judge_.our_name();
  facts.now = judge_.clock().wall();
  return facts;
}

void AuthenticationMember::begin_spf() {
  message_->spf =
      std::make_unique<RunningEvaluation<SpfCheck>>(judge_.port(), on_change(), spf_facts());
}

// RFC 7208 2.3: where the hello is a name at all. Where the sender is null it is looked at already.
void AuthenticationMember::begin_spf_of_helo() {
  AuthenticationFindings& findings = message_->findings;
  if (findings.mail_from.empty()) return;
  if (!authentication::may_have_spf_record(mail::domain_key(findings.helo))) return;
  if (helo_ && helo_->helo == findings.helo && judge_.clock().mono() < helo_->until) {
    findings.spf_helo = helo_->spf;
    return;
  }
  SpfFacts facts = spf_facts();
  facts.mail_from.clear();
  message_->spf_helo =
      std::make_unique<RunningEvaluation<SpfCheck>>(judge_.port(), on_change(), facts);
}

void AuthenticationMember::keep_helo_finding() {
  const AuthenticationFindings& findings = message_->findings;
  if (findings.spf_helo->result == authentication::SpfResult::temperror) return;
  helo_ = HeloFinding{findings.helo, *findings.spf_helo, judge_.clock().mono() + kHeloFindingKept};
}

// A field that claims to be ours is a forgery; it goes before a field of ours is put in front.
void AuthenticationMember::give_header(const mail::HeaderEdits& header) {
  if (!hears() || !message_) return;
  record_.set_stage(FilterStage::end_of_header);
  message_->begun = true;
  std::string section = joined(header.shown());
  const config::Authentication& settings = judge_.settings();
  for (const authentication::ClaimingField& field :
       authentication::claiming_fields(section, settings.name))
    message_->forged.push_back(field.index);
  std::sort(message_->forged.rbegin(), message_->forged.rend());
  AuthenticationFindings& findings = message_->findings;
  findings.author = authentication::author_of(section);
  findings.from_list = authentication::has_list_signs(section);
  findings.author_is_own = settings.own_domains != AuthenticationAction::off &&
                           names_own_author(section, findings.author, judge_.own_domains());
  if (settings.dkim != AuthenticationAction::off)
    message_->dkim = std::make_unique<RunningEvaluation<DkimVerify>>(
        judge_.port(), on_change(), section, findings.author.domain, judge_.clock().wall());
  if (settings.arc.verify)
    message_->arc =
        std::make_unique<RunningEvaluation<ArcVerify>>(judge_.port(), on_change(), section);
}

void AuthenticationMember::give_body(std::string_view octets) {
  if (!hears() || !message_) return;
  if (message_->dkim) message_->dkim->evaluation.body(octets);
  if (message_->arc) message_->arc->evaluation.body(octets);
}

void AuthenticationMember::give_end_of_message() {
  if (!hears() || !message_) return;
  record_.set_stage(FilterStage::end_of_message);
  if (message_->dkim) message_->dkim->evaluation.end_body();
  if (message_->arc) message_->arc->evaluation.end_body();
  message_->ended = true;
  message_->ended_at = judge_.clock().mono();
  await(judge_.settings().time - dmarc_time());
}

// --- what is found -------------------------------------------------------------------------------

// A part of the time is kept for DMARC: whoever sends can make SPF and DKIM last as long as he
// likes, and must not get rid of the policy of a domain by that.
Duration AuthenticationMember::dmarc_time() const {
  return judge_.settings().time / 4;
}

void AuthenticationMember::await(Duration time) {
  limit_->start(time, [this] {
    time_over();
    owner_.member_changed();
  });
}

void AuthenticationMember::time_over() {
  if (!message_) return;
  bool first = !std::exchange(message_->late, true);
  if (message_->spf) message_->spf->run.give_up();
  if (message_->spf_helo) message_->spf_helo->run.give_up();
  if (message_->dkim) message_->dkim->run.give_up();
  if (message_->arc) message_->arc->run.give_up();
  if (first) return await(dmarc_time());
  if (message_->dmarc) message_->dmarc->run.give_up();
}

// True: everything is known.
bool AuthenticationMember::advance() {
  AuthenticationFindings& findings = message_->findings;
  if (message_->spf && !findings.spf) {
    if (!message_->spf->evaluation.done()) return false;
    findings.spf = message_->spf->evaluation.finding();
  }
  if (message_->spf_helo && !findings.spf_helo) {
    if (!message_->spf_helo->evaluation.done()) return false;
    findings.spf_helo = message_->spf_helo->evaluation.finding();
    keep_helo_finding();
  }
  if (message_->dkim && !findings.dkim) {
    if (!message_->dkim->evaluation.done()) return false;
    findings.dkim = message_->dkim->evaluation.results();
  }
  if (message_->arc && !findings.arc) {
    if (!message_->arc->evaluation.done()) return false;
    findings.arc = message_->arc->evaluation.result();
  }
  return advance_dmarc();
}

bool AuthenticationMember::advance_dmarc() {
  AuthenticationFindings& findings = message_->findings;
  bool is_wanted = judge_.settings().dmarc != AuthenticationAction::off;
  if (!is_wanted && !findings.author_is_own) return true;
  if (findings.author.verdict != authentication::AuthorVerdict::one) return true;
  if (!message_->dmarc) {
    message_->dmarc = std::make_unique<RunningEvaluation<DmarcEvaluation>>(
        judge_.port(), on_change(), dmarc_input(findings));
  }
  if (!message_->dmarc->evaluation.done()) return false;
  if (is_wanted) findings.dmarc = message_->dmarc->evaluation.result();
  if (findings.author_is_own) findings.own_author = message_->dmarc->evaluation.result();
  return true;
}

// Commands are not held up: what the DNS says of them counts at the end of the message.
std::optional<Opinion> AuthenticationMember::poll() {
  if (!hears() || !message_ || !message_->begun) return Opinion{};
  if (!message_->ended || !advance()) return std::nullopt;
  return conclude();
}

Opinion AuthenticationMember::conclude() {
  limit_->stop();
  const AuthenticationFindings& findings = message_->findings;
  std::string summary = summary_of(judge_.settings(), findings);
  log::Line(log::Level::info, "authenticated")
      .kv("id", facts_.id())
      .kv("client", findings.client)
      .kv("results", summary)
      .kv("late", message_->late);
  AuthenticationVerdict verdict = message_->forged.size() > kForgedResultsMax
                                      ? too_many_forgeries()
                                      : verdict_of(judge_.settings(), findings);
  count_results(judge_.counts(), judge_.settings(), findings);
  count_end(judge_.counts(), verdict);
  // What is put off comes again, and is reported then.
  if (verdict.verdict != FilterVerdict::defer) note_for_reports(verdict);
  auto waited = static_cast<std::uint32_t>((judge_.clock().mono() - message_->ended_at).count());
  Opinion out;
  if (verdict.verdict == FilterVerdict::keep_going) {
    if (!record_.watched()) mark();
    ipc::FilterJudgement& judgement = record_.passed(summary);
    judgement.edits = static_cast<std::uint32_t>(edits_.size());
    judgement.edited = kinds_of(edits_);
    judgement.hold = verdict.hold.has_value();
    if (verdict.hold && !record_.watched()) out.hold = name() + ": " + *verdict.hold;
  } else {
    out = record_.refused(verdict.verdict, std::move(verdict.reply), true);
  }
  if (record_.judgement()) record_.judgement()->milliseconds = waited;
  message_.reset();
  return out;
}

// A client without an address is nobody that a domain could look for.
void AuthenticationMember::note_for_reports(const AuthenticationVerdict& given) const {
  DmarcNotes* notes = judge_.notes();
  if (notes == nullptr || !has_address()) return;
  auto result = reported_result(judge_.settings(), message_->findings, given, notes->own_address());
  if (result) notes->add(*std::move(result));
}

// What those behind it see of what was found: the field, and the macros.
void AuthenticationMember::mark() {
  using Kind = milter::Edit::Kind;
  std::string field_name(authentication::kResultsFieldName);
  for (std::size_t index : message_->forged)
    edits_.push_back({Kind::change_header, static_cast<std::uint32_t>(index), field_name, {}});
  const config::Authentication& settings = judge_.settings();
  const auto results = method_results(settings, message_->findings);
  std::string field = authentication::results_field(settings.name, results, message_->utf8);
  std::string_view value = std::string_view(field).substr(field_name.size() + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);  // it is written without
  if (value.ends_with("\r\n")) value.remove_suffix(2);
  edits_.push_back({Kind::insert_header, 0, field_name, std::string(value)});
  macros_ = result_macros(results, value);
}

Opinion AuthenticationMember::fail(FilterFailure failure, const std::string& why) {
  edits_.clear();
  macros_.clear();
  message_.reset();
  limit_->stop();
  return record_.fail(failure, why);
}

void AuthenticationMember::abort() {
  record_.abort();
  limit_->stop();
  message_.reset();
  edits_.clear();
  macros_.clear();
}

void AuthenticationMember::begin_message() {
  abort();
  record_.begin_message();
}

}  // namespace postwain::filter
