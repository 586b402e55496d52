#include "common/authentication/spf/spf_check.h"

#include <utility>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/dns/answer.h"
#include "common/mail/address.h"

namespace postwain::authentication {

namespace {

SpfResult spf_result_of(spf::Qualifier qualifier) {
  switch (qualifier) {
    case spf::Qualifier::pass:
      return SpfResult::pass;
    case spf::Qualifier::fail:
      return SpfResult::fail;
    case spf::Qualifier::softfail:
      return SpfResult::softfail;
    case spf::Qualifier::neutral:
      break;
  }
  return SpfResult::neutral;
}

// What was cut has a mark, and printable() may write one character more, in hexadecimal digits.
std::string shown_in_finding(std::string_view text) {
  constexpr std::size_t kMarkMax = 16;
  return printable(text, kSpfTextMax - kMarkMax);
}

}  // namespace

std::string_view name_of(SpfResult result) {
  switch (result) {
    case SpfResult::none:
      return "none";
    case SpfResult::neutral:
      return "neutral";
    case SpfResult::pass:
      return "pass";
    case SpfResult::fail:
      return "fail";
    case SpfResult::softfail:
      return "softfail";
    case SpfResult::temperror:
      return "temperror";
    case SpfResult::permerror:
      return "permerror";
  }
  return "?";
}

bool may_have_spf_record(std::string_view domain) {
  return dns::is_host_name(domain) && spf::is_lookup_name(domain);
}

SpfCheck::SpfCheck(const SpfFacts& facts)
    : wants_explanation_(facts.wants_explanation), void_terms_max_(facts.void_terms_max) {
  read_identity(facts);
  auto client = spf::IpAddress::parse(facts.client);
  if (!client) {
    finish(SpfResult::none, "the client has no IP address");
    return;
  }
  client_ = *client;
  values_.client = client_.dotted();
  values_.client_text = client_.text();
  values_.family = client_.is_ipv6() ? "ip6" : "in-addr";
  values_.helo = facts.helo.substr(0, spf::kNameMax);
  values_.receiver = facts.receiver.substr(0, spf::kNameMax);
  values_.time = std::to_string(to_unix_ms(facts.now) / 1000);
  if (facts.mail_from.size() > kSpfSenderMax)
    finish(SpfResult::none, "the sender is too long");
  else if (!may_have_spf_record(values_.sender_domain))
    finish(SpfResult::none, "the domain is no full name of a host");
  else
    begin_load(Load::first, values_.sender_domain);
  advance();
}

// RFC 7208 2.3, 2.4, 4.3.
void SpfCheck::read_identity(const SpfFacts& facts) {
  bool by_helo = facts.mail_from.empty();
  std::string_view text = by_helo ? facts.helo : facts.mail_from;
  text = text.substr(0, kSpfSenderMax);
  mail::Address sender =
      by_helo ? mail::Address("postmaster", text) : mail::Address::from_text(text);
  finding_.identity = by_helo ? SpfIdentity::helo : SpfIdentity::mail_from;
  values_.local_part = sender.local().empty() ? "postmaster" : std::string(sender.local());
  values_.sender_domain = sender.domain_key();
  if (values_.sender_domain.size() > spf::kNameMax) values_.sender_domain.clear();
  values_.sender = values_.local_part + '@' + values_.sender_domain;
  finding_.domain = shown_in_finding(values_.sender_domain);
}

std::vector<DnsQuestion> SpfCheck::take_questions() {
  if (done()) return {};
  return lookups_.take_questions();
}

void SpfCheck::answer(std::size_t number, const DnsAnswer& answer) {
  if (!done() && lookups_.answer(number, answer)) advance();
}

void SpfCheck::advance() {
  while (step()) {
  }
}

bool SpfCheck::step() {
  switch (stage_) {
    case Stage::loading:
      return load();
    case Stage::evaluating:
      return evaluate();
    case Stage::explaining:
      return explain();
    case Stage::done:
      break;
  }
  return false;
}

// With a reason: there is no decision.
bool SpfCheck::finish(SpfResult result, std::string_view reason) {
  finding_.result = result;
  finding_.reason = shown_in_finding(reason);
  if (reason.empty()) finding_.mechanism = shown_in_finding(decided_by_);
  stage_ = Stage::done;
  frames_.clear();
  lookups_ = {};
  return false;
}

bool SpfCheck::begin_load(Load load, std::string domain) {
  load_ = load;
  loading_ = std::move(domain);
  stage_ = Stage::loading;
  return true;
}

// The record of the domain: there has to be one, and one only (4.5).
bool SpfCheck::load() {
  if (!spf::is_lookup_name(loading_)) return no_record();
  const spf::Known* known = lookups_.find(Ask::text, loading_);
  if (known == nullptr) return false;
  if (known->is_temporary())
    return finish(SpfResult::temperror, fmt::format("no answer for the record of {}", loading_));
  if (known->records.empty()) return no_record();
  if (known->records.size() > 1)
    return finish(SpfResult::permerror, fmt::format("{} has more than one record", loading_));
  auto record = spf::Record::read(known->records.front());
  if (!record)
    return finish(SpfResult::permerror,
                  fmt::format("in the record of {}: {}", loading_, record.error().text));
  frames_.push_back({std::move(loading_), record.take()});
  stage_ = Stage::evaluating;
  return true;
}

bool SpfCheck::no_record() {
  if (load_ == Load::first)
    return finish(SpfResult::none, fmt::format("{} has no record", loading_));
  return finish(SpfResult::permerror,
                fmt::format("{} has no record, and is named by \"{}\"", loading_,
                            load_ == Load::include ? "include" : "redirect"));
}

// The term whose turn it is in the topmost record.
bool SpfCheck::evaluate() {
  Frame& frame = frames_.back();
  std::size_t after = frame.position;
  auto directive = frame.record.next(after);
  if (!directive) return end_of_record();
  if (!spf::asks_dns(directive->mechanism)) return match(*directive, after);
  if (!frame.counted && !count_term()) return false;
  frame.counted = true;
  if (!expand_target(directive->target)) return false;
  if (directive->mechanism == spf::Mechanism::include)
    return begin_load(Load::include, *frame.target);
  return match(*directive, after);
}

bool SpfCheck::match(const spf::Directive& directive, std::size_t after) {
  Frame& frame = frames_.back();
  spf::Matcher matcher(client_, lookups_);
  switch (matcher.match(directive, frame.target.value_or(std::string()))) {
    case spf::Match::waiting:
      return false;
    case spf::Match::temporary:
      return finish(SpfResult::temperror, fmt::format("no answer for {}", directive.text));
    case spf::Match::too_many:
      return finish(SpfResult::permerror,
                    fmt::format("more than {} MX records: {}", spf::kMailHostsMax, directive.text));
    case spf::Match::yes:
      decided_by_ = directive.text.substr(0, kSpfTextMax);
      return end_frame(spf_result_of(directive.qualifier));
    case spf::Match::no:
      break;
  }
  if (matcher.was_void() && !count_void()) return false;
  next_term(after);
  return true;
}

void SpfCheck::next_term(std::size_t after) {
  Frame& frame = frames_.back();
  frame.position = after;
  frame.counted = false;
  frame.target.reset();
}

// No mechanism matched: "redirect", or neutral (4.7, 6.1).
bool SpfCheck::end_of_record() {
  Frame& frame = frames_.back();
  if (frame.record.redirect().empty()) {
    decided_by_ = "default";
    return end_frame(SpfResult::neutral);
  }
  if (!frame.counted && !count_term()) return false;
  frame.counted = true;
  if (!expand_target(frame.record.redirect())) return false;
  std::string target = *std::move(frame.target);
  frames_.pop_back();
  return begin_load(Load::redirect, std::move(target));
}

// The topmost record has its result. Where it was included, it matches if that is pass (5.2).
bool SpfCheck::end_frame(SpfResult result) {
  while (frames_.size() > 1) {
    frames_.pop_back();
    Frame& frame = frames_.back();
    std::size_t after = frame.position;
    auto include = frame.record.next(after);
    if (!include) return finish(SpfResult::permerror, "an include was lost");
    if (result != SpfResult::pass) {
      next_term(after);
      return true;
    }
    result = spf_result_of(include->qualifier);
    decided_by_ = fmt::format("{} > {}", include->text.substr(0, kSpfTextMax), decided_by_);
  }
  bool explained = result == SpfResult::fail && wants_explanation_ &&
                   !frames_.back().record.explanation().empty();
  if (!explained) return finish(result);
  stage_ = Stage::explaining;
  return true;
}

// Whatever is wrong with an explanation, it is as if there were none (6.2).
bool SpfCheck::explain() {
  auto name = expand(frames_.back().record.explanation());
  if (!name) return false;
  if (!spf::is_lookup_name(*name)) return finish(SpfResult::fail);
  const spf::Known* known = lookups_.find(Ask::text, *name);
  if (known == nullptr) return false;
  std::string text = known->only_text;
  if (text.size() > spf::kRecordMax || !spf::is_explanation(text)) return finish(SpfResult::fail);
  if (spf::needs_validated_name(text)) {
    auto validated = spf::Matcher(client_, lookups_).validated_name(frames_.back().domain);
    if (!validated) return false;
    values_.validated = *validated;
  }
  values_.domain = frames_.back().domain;
  finding_.explanation = spf::expand_explanation(text, values_);
  return finish(SpfResult::fail);
}

bool SpfCheck::count_term() {
  if (++terms_ <= kSpfTermsMax) return true;
  return finish(SpfResult::permerror,
                fmt::format("more than {} terms that ask the DNS", kSpfTermsMax));
}

bool SpfCheck::count_void() {
  if (++void_terms_ <= void_terms_max_) return true;
  return finish(SpfResult::permerror,
                fmt::format("more than {} terms that find nothing", void_terms_max_));
}

std::optional<std::string> SpfCheck::expand(const std::string& spec) {
  const std::string& domain = frames_.back().domain;
  if (spec.empty()) return domain;
  if (spf::needs_validated_name(spec)) {
    auto validated = spf::Matcher(client_, lookups_).validated_name(domain);
    if (!validated) return std::nullopt;
    values_.validated = *std::move(validated);
  }
  values_.domain = domain;
  return spf::expand_domain(spec, values_);
}

// Once for each term. False: waiting.
bool SpfCheck::expand_target(std::string_view spec) {
  Frame& frame = frames_.back();
  if (!frame.target) frame.target = expand(std::string(spec));
  return frame.target.has_value();
}

}  // namespace postwain::authentication
