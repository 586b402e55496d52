#include "common/authentication/dkim/signature_field.h"

#include <algorithm>
#include <utility>

#include "common/authentication/dkim/tag_list.h"
#include "common/base/text.h"

namespace postwain::authentication::dkim {

namespace {

constexpr std::size_t kHashOctets = 32;
constexpr std::size_t kBeginOctets = 8;  // RFC 8601 2.7.1, header.b
constexpr std::size_t kQueryMethodsMax = 20;

using Refused = std::optional<Refusal>;
constexpr Refused kTaken = std::nullopt;

Refused broken(std::string_view reason) {
  return Refusal{Verdict::permerror, reason};
}

// RFC 6376 3.3.4: what we do not know is ignored.
Refused unknown(std::string_view reason) {
  return Refusal{Verdict::neutral, reason};
}

Refused read_version(std::string_view value, SignatureReading&) {
  return value == "1" ? kTaken : unknown("its version is not known");
}

// A text that may be shown; one that is too long names nothing.
std::string fact(std::string_view value) {
  return std::string(value.size() <= kFactOctetsMax ? value : std::string_view());
}

Refused read_algorithm(std::string_view value, SignatureReading& out) {
  out.facts.algorithm = fact(value);
  if (iequals(value, "rsa-sha1")) return broken("rsa-sha1 is not good any more (RFC 8301)");
  auto algorithm = algorithm_of(value);
  if (!algorithm) return unknown("its algorithm is not known");
  out.field.algorithm = *algorithm;
  return kTaken;
}

Refused read_signature(std::string_view value, SignatureReading& out) {
  out.facts.begin = without_fws(value).substr(0, kBeginOctets);
  auto octets = read_base64(value);
  if (!octets || octets->size() > kSignatureOctetsMax) return broken("its b= is no signature");
  out.field.signature = *octets;
  return kTaken;
}

Refused read_body_hash(std::string_view value, SignatureReading& out) {
  auto octets = read_base64(value);
  if (!octets || octets->size() != kHashOctets) return broken("its bh= is no hash");
  out.field.body_hash = *octets;
  return kTaken;
}

Refused read_canonical(std::string_view value, SignatureReading& out) {
  auto forms = read_forms(value);
  if (!forms) return unknown("its c= is not known");
  out.field.header = forms->header;
  out.field.body = forms->body;
  return kTaken;
}

Refused read_signer(std::string_view value, SignatureReading& out) {
  out.facts.domain = fact(value);
  out.facts.domain_key = read_domain(value);
  return out.facts.domain_key.empty() ? broken("its d= is no domain") : kTaken;
}

Refused read_selector(std::string_view value, SignatureReading& out) {
  out.facts.selector = fact(value);
  out.field.selector_key = read_domain(value);
  return out.field.selector_key.empty() ? broken("its s= is no name") : kTaken;
}

bool is_field_name(std::string_view name) {
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

Refused read_names(std::string_view value, SignatureReading& out) {
  auto names = list_parts(value, ':', kSignedNamesMax);
  bool good = !names.empty() && std::all_of(names.begin(), names.end(), is_field_name);
  if (!good) return broken("its h= is no list of fields");
  out.field.names.assign(names.begin(), names.end());
  bool from =
      std::any_of(names.begin(), names.end(), [](auto one) { return iequals(one, "From"); });
  return from ? kTaken : broken("it does not sign the From field");
}

Refused read_identity(std::string_view value, SignatureReading& out) {
  out.facts.identity = fact(without_fws(value));
  // Against d= it is read when that is known.
  return out.facts.identity.empty() ? broken("its i= is no identity") : kTaken;
}

Refused read_length(std::string_view value, SignatureReading& out) {
  out.field.length = read_seconds(value);
  return out.field.length ? kTaken : broken("its l= is no number");
}

Refused read_methods(std::string_view value, SignatureReading&) {
  auto methods = list_parts(value, ':', kQueryMethodsMax);
  bool dns = std::any_of(methods.begin(), methods.end(),
                         [](std::string_view one) { return iequals(one, "dns/txt"); });
  return dns ? kTaken : unknown("its key is not in the DNS");
}

Refused read_time(std::string_view value, SignatureReading& out) {
  out.field.time = read_seconds(value);
  return out.field.time ? kTaken : broken("its t= is no time");
}

Refused read_expiry(std::string_view value, SignatureReading& out) {
  out.field.expiry = read_seconds(value);
  return out.field.expiry ? kTaken : broken("its x= is no time");
}

using Reader = Refused (*)(std::string_view value, SignatureReading& out);
enum class Need : std::uint8_t { must, may, no };

struct TagRule {
  std::string_view name;
  std::string_view missing;  // the refusal without it, where it must be there
  Reader read;
  Need dkim;
  Need message;
  Need seal;  // no: the tag is not read, but for h=, which a seal must not have

  Need of(SignatureKind kind) const {
    if (kind == SignatureKind::dkim) return dkim;
    return kind == SignatureKind::arc_message ? message : seal;
  }
};

constexpr TagRule kTagRules[] = {
    {"v", "it has no v=", read_version, Need::must, Need::no, Need::no},
    {"a", "it has no a=", read_algorithm, Need::must, Need::must, Need::must},
    {"b", "it has no b=", read_signature, Need::must, Need::must, Need::must},
    {"bh", "it has no bh=", read_body_hash, Need::must, Need::must, Need::no},
    {"c", {}, read_canonical, Need::may, Need::may, Need::no},
    {"d", "it has no d=", read_signer, Need::must, Need::must, Need::must},
    {"h", "it has no h=", read_names, Need::must, Need::must, Need::no},
    {"i", {}, read_identity, Need::may, Need::no, Need::no},
    {"l", {}, read_length, Need::may, Need::may, Need::no},
    {"q", {}, read_methods, Need::may, Need::may, Need::no},
    {"s", "it has no s=", read_selector, Need::must, Need::must, Need::must},
    {"t", {}, read_time, Need::may, Need::may, Need::may},
    {"x", {}, read_expiry, Need::may, Need::may, Need::no},
};

// RFC 8617 4.1.3: with h= the chain fails.
constexpr std::string_view kNotInSeals = "h";

Refused apply(const TagRule& rule, const TagList& list, SignatureKind kind, SignatureReading& out) {
  const Tag* tag = list.find(rule.name);
  Need need = rule.of(kind);
  if (tag == nullptr) return need == Need::must ? broken(rule.missing) : kTaken;
  if (need != Need::no) return rule.read(tag->value, out);
  return kind == SignatureKind::arc_seal && rule.name == kNotInSeals
             ? broken("it is a seal with h=")
             : kTaken;
}

// i= is of the domain of d= or of one below it (RFC 6376 3.5).
Refused check_identity(SignatureReading& out) {
  if (out.facts.identity.empty()) out.facts.identity = "@" + out.facts.domain;
  const std::string& identity = out.facts.identity;
  std::size_t at = identity.rfind('@');
  if (at == std::string::npos) return broken("its i= is no identity");
  std::string domain = read_domain(std::string_view(identity).substr(at + 1));
  const std::string& signer = out.facts.domain_key;
  out.field.of_whole_domain = domain == signer;
  bool below = domain.size() > signer.size() && domain.ends_with("." + signer);
  return domain == signer || below ? kTaken : broken("its i= is not of its domain");
}

Refused check_together(SignatureReading& out) {
  if (auto refused = check_identity(out)) return refused;
  const SignatureField& field = out.field;
  if (field.time && field.expiry && *field.expiry <= *field.time)
    return broken("it ends before it begins");
  out.field.question = field.selector_key + "._domainkey." + out.facts.domain_key;
  if (read_domain(out.field.question).empty()) return broken("the name of its key is too long");
  return kTaken;
}

}  // namespace

std::string_view name_of(Algorithm algorithm) {
  return algorithm == Algorithm::rsa_sha256 ? "rsa-sha256" : "ed25519-sha256";
}

std::optional<Algorithm> algorithm_of(std::string_view name) {
  for (Algorithm one : {Algorithm::rsa_sha256, Algorithm::ed25519_sha256})
    if (iequals(name, name_of(one))) return one;
  return std::nullopt;
}

SignatureReading read_signature_field(std::string_view value, SignatureKind kind) {
  SignatureReading out;
  auto list = TagList::read(value);
  if (!list) {
    out.refusal = Refusal{Verdict::permerror, list.error()};
    return out;
  }
  // All tags are read, so that a signature that is refused can still be named.
  for (const TagRule& rule : kTagRules) {
    Refused refused = apply(rule, *list, kind, out);
    if (!out.refusal) out.refusal = refused;
  }
  if (!out.refusal) out.refusal = check_together(out);
  return out;
}

std::string without_signature(std::string_view text) {
  std::size_t value = std::min(text.find(':'), text.size() - 1) + 1;
  auto list = TagList::read(text.substr(value));
  const Tag* tag = list ? list->find("b") : nullptr;
  if (tag == nullptr) return std::string(text);
  auto begin = static_cast<std::size_t>(tag->raw.data() - text.data());
  return std::string(text.substr(0, begin)) + std::string(text.substr(begin + tag->raw.size()));
}

}  // namespace postwain::authentication::dkim
