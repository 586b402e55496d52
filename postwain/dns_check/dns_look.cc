#include "postwain/dns_check/dns_look.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/base/time.h"
#include "common/config/config.h"
#include "common/dns/mx_plan.h"
#include "common/dns/tls_plan.h"
#include "common/mail/sts_policy.h"
#include "postwain/dns_check/key_findings.h"

namespace postwain::tool {

namespace {

// Nobody's (RFC 5737): whoever lets it pass lets everybody pass.
constexpr const char* kNobodysAddress = "203.0.113.199";
constexpr std::uint16_t kMailHostPort = 25;

// The best first, each once, and no more than a sender looks at.
std::vector<MxHostAnswer> hosts_of_mx(std::vector<dns::MxRecord> records) {
  std::stable_sort(
      records.begin(), records.end(),
      [](const dns::MxRecord& a, const dns::MxRecord& b) { return a.preference < b.preference; });
  std::vector<MxHostAnswer> out;
  for (const dns::MxRecord& record : records) {
    if (record.host.empty() || out.size() >= dns::kMxHostsLooked) continue;
    bool known = std::any_of(out.begin(), out.end(),
                             [&](const MxHostAnswer& host) { return host.name == record.host; });
    if (!known) out.push_back({record.host, {}, {}});
  }
  return out;
}

}  // namespace

void ask_for_keys(DnsDesk& desk, std::vector<KeyAnswer>& keys) {
  for (KeyAnswer& one : keys) {
    std::string name = one.key.record_name();
    if (name.empty()) continue;
    desk.text(name, [&one](const dns::TextAnswer& answer) {
      one.answer = {answer.status, answer.texts, {}};
    });
  }
}

DnsLook::DnsLook(DnsDesk& desk, const config::Config& config, std::vector<OwnKey> keys,
                 std::vector<std::string> given)
    : desk_(desk), config_(config), keys_(std::move(keys)), given_(std::move(given)) {
  host_.host = config.hostname;
  hello_.domain = config.hostname;
  hello_.hello = true;
}

void DnsLook::run(const std::vector<OwnDomain>& domains) {
  for (const OwnDomain& own : domains) {
    domains_.push_back(std::make_unique<Domain>());
    domains_.back()->own = own;
  }
  ask_host();
  desk_.run();
  addresses_ = own_addresses(config_, given_, host_.addresses.addresses);
  ask_own_addresses();
  for (auto& domain : domains_) ask_domain(*domain);
  desk_.run();
  take_spf(hello_, hello_run_);
  ask_names_back();
  for (auto& domain : domains_) {
    take_spf(domain->spf, domain->spf_run);
    domain->dmarc.facts = domain->dmarc_look->facts();
    ask_mail_hosts(*domain);
  }
  desk_.run();
  for (auto& domain : domains_) fetch_policy(*domain);
  desk_.run();
}

void DnsLook::ask_host() {
  desk_.addresses(host_.host,
                  [this](const dns::AddressAnswer& answer) { host_.addresses = answer; });
}

void DnsLook::ask_own_addresses() {
  for (const std::string& address : addresses_) host_.own.push_back({address, {}});
  for (OwnAddressAnswer& own : host_.own)
    desk_.names(own.address, [&own](const dns::NameAnswer& answer) { own.names = answer; });
  ask_spf(host_.host, {}, hello_, hello_run_);
}

void DnsLook::ask_domain(Domain& domain) {
  const std::string& name = domain.own.name;
  domain.spf.domain = domain.dmarc.domain = name;
  ask_spf(name, "postmaster@" + name, domain.spf, domain.spf_run);
  desk_.text("_dmarc." + name,
             [&domain](const dns::TextAnswer& answer) { domain.dmarc.texts = answer; });
  domain.dmarc_look = std::make_unique<DmarcLook>(name);
  desk_.evaluate(*domain.dmarc_look);
  for (const OwnKey& key : keys_)
    if (key.entry.domain == name) domain.keys.push_back({key});
  ask_for_keys(desk_, domain.keys);
  if (domain.own.receives) ask_receiving_domain(domain);
}

void DnsLook::ask_receiving_domain(Domain& domain) {
  const std::string& name = domain.own.name;
  domain.mx.domain = domain.sts.domain = domain.tls_reports.domain = name;
  desk_.mail_hosts(name, [&domain](const dns::MxAnswer& answer) { domain.mx.mx = answer; });
  desk_.text("_mta-sts." + name,
             [&domain](const dns::TextAnswer& answer) { domain.sts.texts = answer; });
  desk_.text("_smtp._tls." + name,
             [&domain](const dns::TextAnswer& answer) { domain.tls_reports.texts = answer; });
}

void DnsLook::ask_spf(const std::string& name, const std::string& sender, SpfAnswers& answers,
                      SpfRun& run) {
  desk_.text(name, [&answers](const dns::TextAnswer& answer) { answers.texts = answer; });
  authentication::SpfFacts facts;
  facts.helo = host_.host;
  facts.mail_from = sender;
  facts.receiver = host_.host;
  facts.now = wall_now();
  auto begin = [&](const std::string& client) {
    facts.client = client;
    auto check = std::make_unique<authentication::SpfCheck>(facts);
    desk_.evaluate(*check);
    return check;
  };
  for (const std::string& address : addresses_) {
    answers.clients.push_back({address, {}});
    run.clients.push_back(begin(address));
  }
  run.stranger = begin(kNobodysAddress);
}

void DnsLook::take_spf(SpfAnswers& answers, const SpfRun& run) {
  for (std::size_t i = 0; i < run.clients.size(); ++i)
    answers.clients[i].finding = run.clients[i]->finding();
  answers.stranger = run.stranger->finding();
}

void DnsLook::ask_names_back() {
  for (OwnAddressAnswer& own : host_.own) {
    for (const std::string& name : own.names.names)
      if (own.back.size() < kPointersLooked) own.back.push_back({name, {}});
    for (NameOfAddress& back : own.back)
      desk_.addresses(back.name,
                      [&back](const dns::AddressAnswer& answer) { back.addresses = answer; });
  }
}

void DnsLook::ask_mail_hosts(Domain& domain) {
  if (!domain.own.receives) return;
  domain.mx.hosts = hosts_of_mx(domain.mx.mx.records);
  if (domain.mx.mx.records.empty())
    desk_.addresses(domain.own.name,
                    [&domain](const dns::AddressAnswer& answer) { domain.mx.addresses = answer; });
  for (MxHostAnswer& host : domain.mx.hosts) {
    domain.sts.mail_hosts.push_back(host.name);
    desk_.addresses(host.name,
                    [&host](const dns::AddressAnswer& answer) { host.addresses = answer; });
    desk_.certificates(dns::tlsa_name(host.name, kMailHostPort),
                       [&host](const dns::TlsaAnswer& answer) { host.tlsa = answer; });
  }
  if (mail::sts_id(domain.sts.texts.texts))
    desk_.addresses(sts_host_name(domain.own.name),
                    [&domain](const dns::AddressAnswer& answer) { domain.sts.host = answer; });
}

void DnsLook::fetch_policy(Domain& domain) {
  if (domain.sts.host.addresses.empty()) return;
  http::Request request;
  request.host = sts_host_name(domain.own.name);
  request.port = config_.delivery.sts_port;
  request.path = "/.well-known/mta-sts.txt";
  request.addresses = domain.sts.host.addresses;
  request.content_type = "text/plain";
  request.size_max = mail::kStsTextMax;
  desk_.fetch(std::move(request),
              [&domain](const Result<std::string>& text) { domain.sts.fetched = text; });
}

std::vector<DnsFinding> DnsLook::findings() const {
  std::vector<DnsFinding> out = host_findings(host_);
  std::vector<DnsFinding> hello = spf_findings(hello_);
  out.insert(out.end(), hello.begin(), hello.end());
  for (const auto& domain : domains_) add_findings(*domain, out);
  return out;
}

void DnsLook::add_findings(const Domain& domain, std::vector<DnsFinding>& out) const {
  auto add = [&out](std::vector<DnsFinding> more) {
    for (DnsFinding& one : more) out.push_back(std::move(one));
  };
  if (domain.own.receives) {
    add(mx_findings(domain.mx, {host_.host, addresses_}));
    add(tlsa_findings(domain.mx, config_.dns.trust_ad));
  }
  add(spf_findings(domain.spf));
  for (const KeyAnswer& one : domain.keys)
    out.push_back(
        key_finding(one.key, fitting_of_key(one.key, one.answer), config_.queue.lifetime));
  bool only_old = std::all_of(domain.keys.begin(), domain.keys.end(),
                              [](const KeyAnswer& one) { return one.key.role == KeyRole::old; });
  if (only_old && domain.own.writes) out.push_back(no_key_finding(domain.own.name, keys_));
  add(dmarc_findings(domain.dmarc));
  if (domain.own.receives) {
    add(sts_findings(domain.sts));
    add(tls_report_findings(domain.tls_reports));
  }
}

}  // namespace postwain::tool
