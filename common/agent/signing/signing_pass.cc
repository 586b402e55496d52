#include "common/agent/signing/signing_pass.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/authentication/dmarc/author_domain.h"
#include "common/authentication/results/own_results.h"
#include "common/base/text.h"
#include "common/content/content_type.h"
#include "common/content/header_form.h"

namespace postwain::agent {

namespace {

using authentication::AuthorVerdict;

bool is_multipart_signed(std::string_view header) {
  constexpr std::string_view kName = "Content-Type";
  while (!header.empty()) {
    std::size_t colon = header.find(':');
    if (colon == std::string_view::npos) return false;
    if (istarts_with(header, kName) && iequals(trim(header.substr(0, colon)), kName))
      return mail::first_token(header.substr(colon + 1)) == "multipart/signed";
    std::size_t lf = header.find('\n');
    if (lf == std::string_view::npos) return false;
    header.remove_prefix(lf + 1);
  }
  return false;
}

// The signature's fields are put in front of the first one: before that stands nothing.
bool begins_with_field(std::string_view header) {
  std::string_view line = header.substr(0, header.find('\r'));
  return mail::is_field_line(line);
}

}  // namespace

WallTime signature_time(WallTime received_at, WallTime now) {
  if (now <= received_at) return received_at;
  return received_at + std::chrono::floor<std::chrono::hours>(now - received_at);
}

SigningPass::SigningPass(const SigningFacts& facts, std::shared_ptr<const KeyChoice> keys,
                         bool keep)
    : facts_(facts), keys_(std::move(keys)), keep_(keep) {
  rules_.changes = facts.changes;
  rules_.keep_utf8_fields = facts.smtputf8;
  // What only fields of SMTPUTF8 have above 127 may stay, if the body has nothing.
  rules_.seven_bit = !is_seal() && (facts.binary || (facts.eight_bit && !facts.smtputf8));
  if (!rules_.changes_nothing()) form_.emplace(rules_);
}

SigningPass::Next SigningPass::begin_again() {
  form_.emplace(rules_);
  made_.clear();
  output_.clear();
  header_.clear();
  searched_ = 0;
  in_body_ = false;
  sign_.reset();
  chosen_.clear();
  eight_bit_ = false;
  size_ = 0;
  return Next::again;
}

SigningPass::Next SigningPass::take(std::string_view octets) {
  if (!form_) return consume(octets);
  made_.clear();
  form_->take(octets, made_);
  if (keep_) output_ += made_;
  return consume(made_);
}

SigningPass::Next SigningPass::finish() {
  ended_ = true;
  made_.clear();
  if (form_) form_->finish(made_);
  if (keep_) output_ += made_;
  Next next = consume(made_);
  ended_ = false;
  if (next != Next::more) return next;
  if (sign_ && !line_ended_) {
    rules_.end_line = true;
    return begin_again();
  }
  if (seal_)
    drafts_ = {{{}, seal_->end_body()}};
  else
    drafts_ = sign_->end_body();
  return Next::done;
}

bool SigningPass::take_signatures(const std::vector<std::string>& signatures) {
  if (seal_ && !message_sealed_) {
    message_sealed_ = true;
    drafts_ = {{{}, seal_->seal_hash(signatures.front())}};
    return false;
  }
  if (seal_)
    fields_ = seal_->finish(signatures.front());
  else
    for (std::size_t i = 0; i < signatures.size(); ++i)
      fields_ += authentication::dkim::finished_field(drafts_[i], signatures[i]);
  return true;
}

SigningPass::Next SigningPass::consume(std::string_view octets) {
  size_ += octets.size();
  if (!octets.empty()) line_ended_ = octets.back() == '\n';
  if (!eight_bit_) eight_bit_ = !is_ascii(octets);
  if (in_body_) return take_body(octets);
  // Nearly always all of it comes at once.
  std::string_view content = octets;
  if (!header_.empty()) content = header_ += octets;
  mail::HeaderEnd end = mail::find_header_end(content, searched_, ended_);
  if (end.found && end.header <= kSignedHeaderMax) return end_header(content, end.header, end.body);
  if (content.size() > kSignedHeaderMax) return unsigned_because("its header section is too large");
  if (header_.empty()) header_ = octets;
  return Next::more;
}

SigningPass::Next SigningPass::end_header(std::string_view content, std::size_t header,
                                          std::size_t body) {
  std::string_view fields = content.substr(0, header);
  // Readers do not agree on where the body of such a message begins.
  if (body == header && body < content.size())
    return unsigned_because("no empty line ends its header section");
  Next begun = is_seal() ? begin_seal(fields) : begin_signature(fields);
  if (begun == Next::done) return begun;
  inner_signature_ = is_multipart_signed(fields);
  in_body_ = true;
  Next next = take_body(content.substr(body));
  header_.clear();
  return next;
}

SigningPass::Next SigningPass::begin_signature(std::string_view fields) {
  authentication::Author author = authentication::author_of(fields);
  if (author.verdict != AuthorVerdict::one)
    return unsigned_because("it has " + std::string(text_of(author.verdict)));
  chosen_ = keys_->of_author(author.domain);
  if (chosen_.empty()) return Next::done;
  if (!begins_with_field(fields)) return unsigned_because("it begins with no field");
  std::vector<authentication::dkim::KeyFacts> keys;
  keys.reserve(chosen_.size());
  for (const KeyChoice::Chosen& one : chosen_) keys.push_back(one.facts);
  auto sign = authentication::dkim::DkimSign::begin(fields, keys, facts_.time);
  if (!sign) return unsigned_because(sign.error().text);
  sign_ = sign.take();
  return Next::more;
}

// A chain that is broken is left as it is: nobody would believe another seal on it.
SigningPass::Next SigningPass::begin_seal(std::string_view fields) {
  using authentication::arc::ArcVerdict;
  auto results = authentication::own_results(fields, facts_.seal->authserv_id);
  if (!results) return unsigned_because("it has no results of ours that could be sealed");
  std::string chain = authentication::result_of(*results, "arc");
  is_chain_broken_ = chain == "fail";
  if (is_chain_broken_) return Next::done;
  for (KeyChoice::Chosen& one : keys_->of_author(facts_.seal->domain))
    if (chosen_.empty() && one.facts.algorithm == authentication::dkim::Algorithm::rsa_sha256)
      chosen_.push_back(std::move(one));
  if (chosen_.empty()) return unsigned_because("no RSA key of " + facts_.seal->domain + " signs");
  if (!begins_with_field(fields)) return unsigned_because("it begins with no field");
  auto seal = authentication::arc::ArcSeal::begin(
      fields, chain == "pass" ? ArcVerdict::pass : ArcVerdict::none, *results,
      chosen_.front().facts, facts_.time);
  if (!seal) return unsigned_because(seal.error().text);
  seal_ = seal.take();
  return Next::more;
}

SigningPass::Next SigningPass::take_body(std::string_view octets) {
  if (seal_) {
    seal_->body(octets);
    return Next::more;
  }
  if (!rules_.seven_bit) {
    look_.take(octets);
    if (look_.eight_bit() || (look_.long_line() && !inner_signature_)) {
      rules_.seven_bit = true;
      return begin_again();
    }
  }
  sign_->body(octets);
  return Next::more;
}

SigningPass::Next SigningPass::unsigned_because(std::string why) {
  why_not_ = std::move(why);
  chosen_.clear();
  return Next::done;
}

}  // namespace postwain::agent
