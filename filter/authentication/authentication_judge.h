// [authentication] as one who judges: SPF, DKIM and DMARC of what strangers bring. It comes before
// all filters, which see the field Authentication-Results that it has written. Mail of clients that
// may relay, and of submission, is not looked at.
#pragma once

#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/config/table/authentication.h"
#include "common/ipc/authentication_counts.h"
#include "common/rewrite/own_domains.h"
#include "filter/authentication/dmarc_notes.h"
#include "filter/authentication/dns_port.h"
#include "filter/judge.h"

namespace postwain::filter {

class AuthenticationJudge final : public Judge {
 public:
  // Clock and notes outlive it. notes: what reports are made of; null: there are none.
  AuthenticationJudge(Clock& clock, std::unique_ptr<DnsPort> port, config::Authentication settings,
                      std::string our_name, rewrite::OwnDomains own_domains, DmarcNotes* notes);

  bool is_on(std::string_view listener, ipc::FilterKind kind) const override;
  std::uint32_t awaited_stages() const override { return bit_of(ipc::FilterStage::end_of_message); }
  bool wants_body() const override { return settings_.needs_body(); }
  std::unique_ptr<ChainMember> make_member(Shared& shared, const SessionFacts& facts,
                                           MemberOwner& owner) override;

  const config::Authentication& settings() const { return settings_; }
  const std::string& our_name() const { return our_name_; }
  const rewrite::OwnDomains& own_domains() const { return own_domains_; }
  Clock& clock() { return clock_; }
  DnsPort& port() { return *port_; }
  DmarcNotes* notes() { return notes_; }
  // Of all messages since the last report.
  ipc::AuthenticationCounts& counts() { return counts_; }
  bool has_news() const override;
  void report_to(ipc::FilterReport& out) override;

 private:
  Clock& clock_;
  std::unique_ptr<DnsPort> port_;
  config::Authentication settings_;
  std::string our_name_;
  rewrite::OwnDomains own_domains_;
  DmarcNotes* notes_;
  ipc::AuthenticationCounts counts_;
};

}  // namespace postwain::filter
