// Asks the DNS all that `check --dns` judges, in a few rounds: what a round asks depends on what
// the one before has brought. Decides nothing (the other headers of this room do). What strangers
// publish bounds neither the questions nor the time: named limits and the desk's time do.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/authentication/dns_evaluation.h"
#include "common/authentication/spf/spf_check.h"
#include "common/config/config_fwd.h"
#include "postwain/dns_check/dmarc_findings.h"
#include "postwain/dns_check/dns_desk.h"
#include "postwain/dns_check/dns_finding.h"
#include "postwain/dns_check/host_findings.h"
#include "postwain/dns_check/mx_findings.h"
#include "postwain/dns_check/own_domains.h"
#include "postwain/dns_check/own_keys.h"
#include "postwain/dns_check/spf_findings.h"
#include "postwain/dns_check/sts_findings.h"

namespace postwain::tool {

constexpr std::size_t kPointersLooked = 10;  // names of one address

// The answer to the question for a key's record.
struct KeyAnswer {
  OwnKey key;
  authentication::DnsAnswer answer{};
};

// Puts the answers into the list, which has to live until desk.run() returns.
void ask_for_keys(DnsDesk& desk, std::vector<KeyAnswer>& keys);

class DnsLook {
 public:
  // given: addresses that the caller says are ours; empty: those that can be found out.
  DnsLook(DnsDesk& desk, const config::Config& config, std::vector<OwnKey> keys,
          std::vector<std::string> given);

  // Blocks. Once; then the findings may be taken.
  void run(const std::vector<OwnDomain>& domains);
  std::vector<DnsFinding> findings() const;

 private:
  struct SpfRun {
    std::vector<std::unique_ptr<authentication::SpfCheck>> clients;
    std::unique_ptr<authentication::SpfCheck> stranger;
  };
  struct Domain {
    OwnDomain own;
    MxAnswers mx;
    SpfAnswers spf;
    SpfRun spf_run;
    DmarcDomainAnswers dmarc;
    std::unique_ptr<DmarcLook> dmarc_look;
    StsAnswers sts;
    TlsReportAnswers tls_reports;
    std::vector<KeyAnswer> keys;
  };

  void ask_host();
  void ask_own_addresses();
  void ask_domain(Domain& domain);
  void ask_receiving_domain(Domain& domain);
  void ask_mail_hosts(Domain& domain);
  void ask_names_back();
  void fetch_policy(Domain& domain);
  void ask_spf(const std::string& name, const std::string& sender, SpfAnswers& answers,
               SpfRun& run);
  static void take_spf(SpfAnswers& answers, const SpfRun& run);
  void add_findings(const Domain& domain, std::vector<DnsFinding>& out) const;

  DnsDesk& desk_;
  const config::Config& config_;
  std::vector<OwnKey> keys_;
  std::vector<std::string> given_;
  std::vector<std::string> addresses_;  // ours
  HostAnswers host_;
  SpfAnswers hello_;
  SpfRun hello_run_;
  std::vector<std::unique_ptr<Domain>> domains_;
};

}  // namespace postwain::tool
