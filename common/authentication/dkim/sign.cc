#include "common/authentication/dkim/sign.h"

#include <utility>

#include <fmt/format.h>

#include "common/authentication/dkim/folded_field.h"
#include "common/authentication/dkim/header_list.h"
#include "common/authentication/dkim/signing_input.h"
#include "common/base/text.h"

namespace postwain::authentication::dkim {

namespace {

constexpr std::string_view kFieldName = "DKIM-Signature";

// dkim-quoted-printable (RFC 6376 2.11); an "@" would be taken for the one before the domain.
std::string quoted_local(std::string_view local) {
  std::string out;
  for (char c : local) {
    bool plain = c > 0x20 && c < 0x7F && c != ';' && c != '=' && c != '@';
    out += plain ? std::string(1, c) : fmt::format("={:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

// i= as it is written, or an error.
Result<std::string> identity_text(std::string_view identity, const std::string& signer) {
  if (identity.empty()) return std::string();
  std::size_t at = identity.rfind('@');
  if (at == std::string_view::npos) return Error{"the identity of a signature has no \"@\""};
  std::string domain = read_domain(identity.substr(at + 1));
  if (domain != signer && !domain.ends_with("." + signer))
    return Error{fmt::format("the identity of a signature is not of its domain {}", signer)};
  return quoted_local(identity.substr(0, at)) + "@" + domain;
}

}  // namespace

Result<KeyFacts> key_as_written(const KeyFacts& key) {
  KeyFacts out{read_domain(key.domain), read_domain(key.selector), key.algorithm};
  bool good = !out.domain.empty() && !out.selector.empty() &&
              !read_domain(out.selector + "._domainkey." + out.domain).empty();
  if (!good)
    return Error{fmt::format("no key can be published at {}._domainkey.{}", printable(key.selector),
                             printable(key.domain))};
  return out;
}

Result<DkimSign> DkimSign::begin(std::string_view header, const std::vector<KeyFacts>& keys,
                                 WallTime now, const SignRules& rules) {
  HeaderList list(header);
  auto names = fields_to_sign(list, rules.fields);
  if (!names) return names.error();
  DkimSign sign;
  sign.names_ = names.take();
  sign.body_ = sign.bodies_.want({Canonical::relaxed, std::nullopt});
  sign.time_ = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  if (rules.good_for) sign.expiry_ = sign.time_ + rules.good_for->count();
  for (const KeyFacts& one : keys) {
    auto key = key_as_written(one);
    if (!key) return key.error();
    auto identity = identity_text(rules.identity, key->domain);
    if (!identity) return identity.error();
    tls::Sha256 sum;
    add_signed_fields(sum, list, sign.names_, Canonical::relaxed, std::nullopt);
    sign.planned_.push_back({key.take(), identity.take(), std::move(sum)});
  }
  return sign;
}

std::string DkimSign::draft_text(const Planned& planned) const {
  FoldedField field(kFieldName);
  field.add("v=1;");
  field.add(fmt::format("a={};", name_of(planned.key.algorithm)));
  field.add("c=relaxed/relaxed;");
  field.add(fmt::format("d={};", planned.key.domain));
  field.add(fmt::format("s={};", planned.key.selector));
  field.add(fmt::format("t={};", time_));
  if (expiry_) field.add(fmt::format("x={};", *expiry_));
  if (!planned.identity.empty()) field.add(fmt::format("i={};", planned.identity));
  field.add_list("h", names_);
  field.add(fmt::format("bh={};", base64_encode(bodies_.hash(body_))));
  field.add("b=");
  return field.text();
}

std::vector<SignatureDraft> DkimSign::end_body() {
  bodies_.end();
  std::vector<SignatureDraft> drafts;
  for (Planned& planned : planned_) {
    std::string text = draft_text(planned);
    planned.sum.take(canonical_field(Canonical::relaxed, text));
    drafts.push_back({text, planned.sum.finish()});
  }
  return drafts;
}

std::string finished_field(const SignatureDraft& draft, std::string_view signature) {
  FoldedField field = FoldedField::begun(draft.text);
  field.append(base64_encode(signature));
  return field.text() + "\r\n";
}

}  // namespace postwain::authentication::dkim
