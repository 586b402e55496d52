#include "common/filtering/told_arguments.h"

#include "common/smtp/syntax/xtext.h"

namespace postwain::filtering {

std::vector<std::string> arguments_of(const mail::Envelope& envelope,
                                      std::optional<std::uint64_t> size) {
  std::vector<std::string> out;
  if (size) out.push_back("SIZE=" + std::to_string(*size));
  if (envelope.body != mail::BodyType::seven_bit)
    out.push_back("BODY=" + std::string(name_of(envelope.body)));
  if (envelope.smtputf8) out.emplace_back("SMTPUTF8");
  if (envelope.require_tls) out.emplace_back("REQUIRETLS");
  if (envelope.ret != mail::DsnReturn::unspecified)
    out.push_back("RET=" + std::string(name_of(envelope.ret)));
  if (!envelope.envid.empty()) out.push_back("ENVID=" + smtp::xtext_encode(envelope.envid));
  return out;
}

std::vector<std::string> arguments_of(const mail::Recipient& recipient, bool smtputf8) {
  std::vector<std::string> out;
  if (recipient.notify.bits != mail::Notify::unspecified)
    out.push_back("NOTIFY=" + recipient.notify.text());
  if (std::string orcpt = smtp::orcpt_encode(recipient.orcpt, !smtputf8); !orcpt.empty())
    out.push_back("ORCPT=" + orcpt);
  return out;
}

std::string in_brackets(const mail::Address& address) {
  return "<" + address.text() + ">";
}

}  // namespace postwain::filtering
