#include "filter/policy/policy_question.h"

#include <algorithm>

#include "common/base/text.h"
#include "common/policy_service/policy_engine.h"

namespace postwain::filter {

namespace {

using ipc::FilterStage;
using policy_service::Question;

std::string_view unbracketed(std::string_view address) {
  if (address.size() >= 2 && address.front() == '<' && address.back() == '>')
    return address.substr(1, address.size() - 2);
  return address;
}

std::string_view macro(const SessionFacts& facts, const std::string& name) {
  auto found = facts.macros.find(name);
  return found == facts.macros.end() ? std::string_view() : found->second;
}

std::string_view protocol_state(FilterStage stage, bool extended) {
  switch (stage) {
    case FilterStage::connect:
      return "CONNECT";
    case FilterStage::helo:
      return extended ? "EHLO" : "HELO";
    case FilterStage::mail:
      return "MAIL";
    case FilterStage::rcpt:
      return "RCPT";
    case FilterStage::data:
      return "DATA";
    default:
      return "END-OF-MESSAGE";
  }
}

// Postfix knows a client by a name that its address confirms, or not at all.
std::string_view confirmed(std::string_view name) {
  return name.empty() || name.front() == '[' ? "unknown" : name;
}

// As the two certificate names are written, so that a name can hold anything (RFC 3461 4).
std::string xtext(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    auto octet = static_cast<unsigned char>(c);
    if (octet > ' ' && octet < 0x7f && c != '+' && c != '=')
      out += c;
    else
      (((out += '+') += kDigits[octet >> 4]) += kDigits[octet & 15]);
  }
  return out;
}

// As Postfix writes digests.
std::string with_colons(std::string_view digits) {
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && i % 2 == 0) out += ':';
    out +=
        digits[i] >= 'a' && digits[i] <= 'f' ? static_cast<char>(digits[i] - 'a' + 'A') : digits[i];
  }
  return out;
}

std::uint64_t announced_size(const std::vector<std::string>& arguments) {
  constexpr std::string_view kSize = "SIZE=";
  for (const std::string& one : arguments)
    if (iequals(std::string_view(one).substr(0, kSize.size()), kSize))
      return parse_decimal<std::uint64_t>(std::string_view(one).substr(kSize.size())).value_or(0);
  return 0;
}

void add_envelope(Question& out, const SessionFacts& facts, FilterStage stage,
                  const std::string& recipient) {
  static const EnvelopeFacts kNone;
  const EnvelopeFacts& envelope = facts.envelope ? *facts.envelope : kNone;
  bool of_content = stage == FilterStage::data || stage == FilterStage::end_of_message;
  std::string_view to;
  if (stage == FilterStage::rcpt) to = recipient;
  if (of_content && envelope.recipients.size() == 1) to = envelope.recipients.front();
  std::uint64_t size = envelope.size != 0 ? envelope.size : announced_size(envelope.arguments);
  out.add("sender", unbracketed(envelope.sender))
      .add("recipient", unbracketed(to))
      .add("recipient_count", of_content ? envelope.recipients.size() : 0)
      .add("queue_id", facts.envelope ? facts.id() : std::string())
      .add("size", size);
}

}  // namespace

std::string policy_question(const SessionFacts& facts, FilterStage stage,
                            const std::string& recipient, const std::string& instance) {
  std::string_view protocol = macro(facts, "r");
  bool extended = protocol.empty() || protocol.find("ESMTP") != std::string_view::npos;
  if (protocol.substr(0, 4) == "LMTP")
    protocol = "LMTP";
  else
    protocol = extended ? "ESMTP" : "SMTP";
  std::string_view name = macro(facts, "client_name");
  Question out;
  out.add("request", "smtpd_access_policy")
      .add("protocol_state", protocol_state(stage, extended))
      .add("protocol_name", protocol)
      .add("client_address", facts.session.client_address)
      .add("client_name", confirmed(name.empty() ? facts.session.client_name : name))
      .add("client_port", facts.session.client_port)
      .add("reverse_client_name", confirmed(macro(facts, "client_ptr")))
      .add("server_address", macro(facts, "daemon_addr"))
      .add("server_port", macro(facts, "daemon_port"))
      .add("helo_name", facts.helo.value_or(std::string()));
  add_envelope(out, facts, stage, recipient);
  out.add("instance", instance)
      .add("sasl_method", macro(facts, "auth_type"))
      .add("sasl_username", macro(facts, "auth_authen"))
      .add("sasl_sender", "")
      .add("ccert_subject", xtext(macro(facts, "cert_subject")))
      .add("ccert_issuer", xtext(macro(facts, "cert_issuer")))
      .add("ccert_fingerprint", with_colons(macro(facts, "cert_fingerprint")))
      .add("ccert_pubkey_fingerprint", macro(facts, "cert_pubkey_fingerprint"))
      .add("encryption_protocol", macro(facts, "tls_version"))
      .add("encryption_cipher", macro(facts, "cipher"))
      .add("encryption_keysize",
           macro(facts, "cipher_bits").empty() ? "0" : macro(facts, "cipher_bits"))
      .add("tls_sni", macro(facts, "tls_server_name"))
      .add("stress", "")
      .add("etrn_domain", "")
      .add("policy_context", "")
      .add("compatibility_level", "3.6")
      .add("mail_version", macro(facts, "v"));
  return out.finish();
}

}  // namespace postwain::filter
