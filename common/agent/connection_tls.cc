// TLS on a connection to a next hop: how the handshake begins, and the one result that is noted of
// it for reports (RFC 8460).
#include "common/agent/connection.h"
#include "common/base/text.h"
#include "common/log/log.h"

namespace postwain::agent {

void Connection::start_tls() {
  handshaking_ = true;
  const dns::HostTls& tls = plan_.candidate.tls;
  const ClientTls& contexts = *plan_.contexts;
  tls::ClientChoice choice;
  choice.resume = !plan_.avoid.has(mail::Ability::tls_session);
  choice.tls12_only = plan_.avoid.has(mail::Ability::tls13);
  if (plan_.tls == mail::TlsLevel::dane)
    return channel_->start_tls_dane(*contexts.dane, tls.tlsa_host, tls.tlsa, choice);
  const auto& context = plan_.tls == mail::TlsLevel::verify ? contexts.verified
                        : tls.only_watch                    ? contexts.watched
                                                            : contexts.unverified;
  channel_->start_tls_client(*context, plan_.candidate.host, choice);
}

void Connection::tls_opened() {
  handshaking_ = false;
  const dns::HostTls& tls = plan_.candidate.tls;
  tls_text_ = channel_->tls_version() + " " + channel_->tls_cipher();
  if (!tls.policy.empty()) tls_text_ += " (" + tls.policy + ")";
  std::string fault = tls.only_watch ? channel_->tls_peer_fault() : std::string();
  if (!fault.empty())
    log::Line(log::Level::info, "sts_testing")
        .kv("domain", plan_.transport->hop.domain)
        .kv("host", plan_.candidate.host)
        .kv("reason", fault);
  if (!fault.empty())
    note_tls(channel_->tls_verdict(), fault);
  else
    note_tls(tls.flaw, tls.flaw == mail::TlsEnd::success ? "" : tls.policy);
  engine_.tls_started();
  pump();
}

// Over before TLS was. Where we gave up ourselves nothing is said of the server.
void Connection::note_tls_unfinished(const mail::Outcome& outcome) {
  const mail::Reply& reply = outcome.reply;
  if (outcome.stage != mail::Stage::tls || is_our_own_end(outcome)) return;
  bool not_offered = reply.enhanced == mail::EnhancedCode{4, 7, 4};
  bool refused = reply.code != 0;
  note_tls(not_offered || refused ? mail::TlsEnd::starttls_not_supported
                                  : mail::TlsEnd::validation_failure,
           reply.text);
}

// The first word on it counts: a connection has one handshake at most.
void Connection::note_tls(mail::TlsEnd end, std::string_view reason) {
  const auto& begun = plan_.candidate.reported;
  if (services_.notes == nullptr || begun == nullptr || tls_noted_) return;
  tls_noted_ = true;
  mail::TlsResult result = *begun;
  result.end = end;
  if (end != mail::TlsEnd::success) {
    result.mx_host = plan_.candidate.host;
    result.address = plan_.candidate.endpoint.host;
    result.source = channel_->local().host;
    result.reason = printable(reason, 200);
  }
  services_.notes->add(std::move(result));
}

}  // namespace postwain::agent
