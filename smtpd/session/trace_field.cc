#include "smtpd/session/trace_field.h"

#include "common/smtp/syntax/domain_syntax.h"

#include "smtpd/acceptance/client_address.h"

namespace postwain::smtpd {

std::string protocol_name(const smtp::Dialect& dialect, bool extended, bool tls, bool smtputf8,
                          bool authenticated) {
  std::string name;
  if (smtputf8)
    name = "UTF8";
  else if (extended && dialect.plain_hello)
    name = "E";
  name += dialect.name;
  if (tls) name += 'S';
  if (authenticated) name += 'A';
  return name;
}

// Time-stamp-line = "Received:" FWS Stamp    Stamp = From-domain By-domain Opt-info [CFWS] ";" FWS
// date-time From-domain = "FROM" FWS Extended-Domain    TCP-info = address-literal / ( Domain FWS
// address-literal )
std::string received_field(const Trace& trace, mail::QueueId id, const mail::Envelope& envelope,
                           WallTime now) {
  std::string field;
  field.reserve(320);
  field += "Received: from ";
  field += smtp::hello_for_trace(trace.hello_name);
  if (!trace.client_address.empty()) {
    field += " (";
    if (!trace.client_name.empty()) field += std::string(trace.client_name) + ' ';
    field += address_literal(trace.client_address);
    field += ')';
  }
  field += "\r\n\tby ";
  field += trace.hostname;
  field += " (Postwain) with ";
  field += trace.protocol;
  if (!trace.tls.empty()) {
    field += " (";
    field += trace.tls;
    field += ')';
  }
  field += "\r\n\tid ";
  field += id.text();
  if (envelope.recipients.size() == 1) {
    field += " for <";
    field += envelope.recipients.front().address.text();
    field += '>';
  }
  field += ";\r\n\t";
  field += format_rfc5322(now);
  field += "\r\n";
  return field;
}

}  // namespace postwain::smtpd
