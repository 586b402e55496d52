// What is made of the answers of the DNS about our own domains: tables, nothing is asked.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "common/config/load/bundle.h"
#include "common/tls/signing_key.h"
#include "postwain/dns_check/dmarc_findings.h"
#include "postwain/dns_check/dns_check_command.h"
#include "postwain/dns_check/host_findings.h"
#include "postwain/dns_check/key_findings.h"
#include "postwain/dns_check/mx_findings.h"
#include "postwain/dns_check/own_domains.h"
#include "postwain/dns_check/spf_findings.h"
#include "postwain/dns_check/sts_findings.h"

using namespace postwain;
using namespace postwain::tool;
using authentication::SpfFinding;
using authentication::SpfResult;
using dns::AnswerStatus;
using Texts = std::vector<std::string>;

namespace {

const OwnHost kHost{"mx.us.example", {"192.0.2.1"}};

// "error: …" for each, joined with newlines, with "> " before what is to be published.
std::string said(const std::vector<DnsFinding>& findings) {
  std::string out;
  for (const DnsFinding& one : findings) {
    out += (out.empty() ? "" : "\n") + std::string(name_of(one.level)) + ": " + one.text;
    if (!one.publish.empty()) out += " > " + one.publish;
  }
  return out;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

dns::TextAnswer texts(Texts list) {
  return {list.empty() ? AnswerStatus::no_data : AnswerStatus::ok, std::move(list)};
}

dns::AddressAnswer addresses(Texts list) {
  dns::AddressAnswer out;
  out.status = list.empty() ? AnswerStatus::no_such_name : AnswerStatus::ok;
  out.addresses = std::move(list);
  return out;
}

MxAnswers mx_of(std::vector<MxHostAnswer> hosts) {
  MxAnswers out;
  out.domain = "us.example";
  out.mx.status = AnswerStatus::ok;
  for (const MxHostAnswer& host : hosts) out.mx.records.push_back({10, host.name});
  out.hosts = std::move(hosts);
  return out;
}

SpfAnswers spf_of(Texts records, SpfFinding ours, SpfFinding stranger = {SpfResult::fail}) {
  SpfAnswers out;
  out.domain = "us.example";
  out.texts = texts(std::move(records));
  out.clients = {{"192.0.2.1", std::move(ours)}};
  out.stranger = std::move(stranger);
  return out;
}

SpfFinding spf(SpfResult result, std::string mechanism = {}, std::string reason = {}) {
  SpfFinding out;
  out.result = result;
  out.mechanism = std::move(mechanism);
  out.reason = std::move(reason);
  return out;
}

// The look, played with a zone of TXT records; a name that is missing does not exist.
DmarcFacts dmarc_facts(const std::map<std::string, Texts>& zone, const std::string& failing = {}) {
  DmarcLook look("us.example");
  std::size_t number = 0;
  for (int round = 0; round < 100 && !look.done(); ++round)
    for (const auto& question : look.take_questions()) {
      REQUIRE(question.ask == authentication::Ask::text);
      auto found = zone.find(question.name);
      authentication::DnsAnswer answer{AnswerStatus::no_such_name};
      if (found != zone.end()) answer = {AnswerStatus::ok, found->second};
      if (question.name == failing) answer = {};
      look.answer(number++, answer);
    }
  REQUIRE(look.done());
  return look.facts();
}

std::string dmarc_said(const std::map<std::string, Texts>& zone, const std::string& failing = {}) {
  auto own = zone.find("_dmarc.us.example");
  return said(dmarc_findings({"us.example", texts(own == zone.end() ? Texts{} : own->second),
                              dmarc_facts(zone, failing)}));
}

StsAnswers sts_of(Texts records, Result<std::string> policy) {
  StsAnswers out;
  out.domain = "us.example";
  out.texts = texts(std::move(records));
  out.host = addresses({"192.0.2.1"});
  out.fetched = std::move(policy);
  out.mail_hosts = {"mx.us.example"};
  return out;
}

}  // namespace

TEST_CASE("MX records have to lead to hosts with addresses, and may lead to us") {
  CHECK(said(mx_findings(mx_of({{"mx.us.example", addresses({"192.0.2.1"}), {}}}), kHost)) ==
        "ok: mail comes to 1 host, and we are among them");
  CHECK(said(mx_findings(mx_of({{"in.us.example", addresses({"192.0.2.1"}), {}},
                                {"gone.us.example", addresses({}), {}}}),
                         kHost)) ==
        "error: the MX host gone.us.example has no address\n"
        "ok: mail comes to 2 hosts, and we are among them");
  CHECK(said(mx_findings(mx_of({{"mx.other.example", addresses({"192.0.2.9"}), {}}}), kHost)) ==
        "advice: mail comes to mx.other.example, not to mx.us.example; unless that hands it on to "
        "us, "
        "change it > us.example. IN MX 10 mx.us.example.");
  CHECK(contains(said(mx_findings(mx_of({{"mx.us.example", addresses({"10.0.0.1"}), {}}}), kHost)),
                 "warning: no address of the MX host mx.us.example is one of the internet"));
  MxHostAnswer alias{"mx.us.example", addresses({"192.0.2.1"}), {}};
  alias.addresses.canonical = "host.us.example";
  CHECK(contains(said(mx_findings(mx_of({alias}), kHost)), "is an alias (CNAME)"));
  MxHostAnswer silent{"mx.us.example", {}, {}};
  CHECK(contains(said(mx_findings(mx_of({silent}), kHost)),
                 "warning: the addresses of mx.us.example"));
}

TEST_CASE("a domain without MX, with one that says no, and one that does not answer") {
  MxAnswers none = mx_of({});
  none.mx.status = AnswerStatus::no_data;
  none.addresses = addresses({});
  CHECK(said(mx_findings(none, kHost)) ==
        "error: there is no MX record, so nobody can send mail to it > us.example. IN MX 10 "
        "mx.us.example.");
  none.addresses = addresses({"192.0.2.1"});
  CHECK(
      contains(said(mx_findings(none, kHost)), "warning: there is no MX record, so mail goes to"));
  MxAnswers null = mx_of({});
  null.mx.records = {{0, ""}};
  CHECK(
      contains(said(mx_findings(null, kHost)), "error: its MX record says that it takes no mail"));
  MxAnswers silent = mx_of({});
  silent.mx.status = AnswerStatus::temporary;
  silent.mx.trouble = "127.0.0.1: SERVFAIL";
  CHECK(said(mx_findings(silent, kHost)) ==
        "warning: the MX records could not be looked up: 127.0.0.1: SERVFAIL");
}

TEST_CASE("TLSA records are spoken of where there are some") {
  MxHostAnswer host{"mx.us.example", addresses({"192.0.2.1"}), {}};
  CHECK(tlsa_findings(mx_of({host}), true).empty());
  host.tlsa.status = AnswerStatus::ok;
  host.tlsa.records = {{3, 1, 1, std::string(32, 'x')}};
  CHECK(contains(said(tlsa_findings(mx_of({host}), true)),
                 "warning: the TLSA records of "
                 "_25._tcp.mx.us.example are not signed"));
  CHECK(contains(said(tlsa_findings(mx_of({host}), false)), "ok: "));
  host.tlsa.authentic = true;
  CHECK(contains(said(tlsa_findings(mx_of({host}), true)), "ok: "));
  host.tlsa.records = {{1, 0, 1, std::string(32, 'x')}};
  CHECK(contains(said(tlsa_findings(mx_of({host}), true)), "none is one that mail can use"));
}

TEST_CASE("an SPF record has to be there once, be right, and let us pass") {
  const std::string kRecord = "v=spf1 ip4:192.0.2.9 -all";
  CHECK(said(spf_findings(spf_of({kRecord}, spf(SpfResult::pass, "ip4:192.0.2.1")))) ==
        "ok: mail from 192.0.2.1: pass (ip4:192.0.2.1)");
  CHECK(said(spf_findings(spf_of({kRecord}, spf(SpfResult::fail, "-all")))) ==
        "error: mail from 192.0.2.1: fail (-all) > us.example. IN TXT \"v=spf1 ip4:192.0.2.1 "
        "ip4:192.0.2.9 -all\"");
  CHECK(
      said(spf_findings(spf_of({}, spf(SpfResult::none)))) ==
      "warning: there is no SPF record, so receivers cannot tell our mail from forged mail by it > "
      "us.example. IN TXT \"v=spf1 ip4:192.0.2.1 ~all\"");
  CHECK(said(spf_findings(spf_of({kRecord, kRecord}, spf(SpfResult::permerror)))) ==
        "error: there are 2 SPF records, and then none of them counts; leave one");
  CHECK(contains(said(spf_findings(spf_of({"v=spf1 ip4:1.2.3 -all"}, spf(SpfResult::permerror)))),
                 "error: receivers refuse the record: "));
  CHECK(contains(said(spf_findings(spf_of({kRecord}, spf(SpfResult::temperror, "", "no answer")))),
                 "warning: mail from 192.0.2.1: temperror (no answer)"));
  SpfAnswers nowhere = spf_of({}, spf(SpfResult::none));
  nowhere.clients.clear();
  for (bool hello : {false, true}) {
    nowhere.hello = hello;
    CHECK(spf_findings(nowhere)[0].publish.empty());
    CHECK(contains(said(spf_findings(nowhere)), "which is not known: give --address"));
  }
  SpfAnswers silent = spf_of({}, spf(SpfResult::temperror));
  silent.texts = {};
  CHECK(said(spf_findings(silent)) == "warning: the SPF record could not be looked up");
}

TEST_CASE("what an SPF record says of others counts, too") {
  auto ours = spf(SpfResult::pass, "a");
  CHECK(contains(said(spf_findings(spf_of({"v=spf1 a +all"}, ours, spf(SpfResult::pass, "+all")))),
                 "warning: it lets strangers pass (+all)"));
  CHECK(contains(said(spf_findings(spf_of({"v=spf1 a"}, ours, spf(SpfResult::neutral, "default")))),
                 "advice: it says nothing of other hosts"));
  CHECK(contains(said(spf_findings(spf_of({"v=spf1 a include:b.example"}, ours,
                                          spf(SpfResult::permerror, "", "too many look-ups")))),
                 "error: receivers of mail from others find an error: too many look-ups"));
  SpfAnswers nobody = spf_of({"v=spf1 a -all"}, ours);
  nobody.clients.clear();
  CHECK(contains(said(spf_findings(nobody)), "advice: there is a record; no public address"));
  SpfAnswers hello = spf_of({}, spf(SpfResult::none));
  hello.hello = true;
  CHECK(contains(said(spf_findings(hello)), "> us.example. IN TXT \"v=spf1 ip4:192.0.2.1 -all\""));
}

TEST_CASE("a line of a zone file is one, whatever the text is") {
  CHECK(text_record_line("a.example", "") == "a.example. IN TXT \"\"");
  CHECK(text_record_line("a.example", "x\"y\\z") == "a.example. IN TXT \"x\\\"y\\\\z\"");
  CHECK(text_record_line("a.example", std::string(256, 'x')) ==
        "a.example. IN TXT \"" + std::string(255, 'x') + "\" \"x\"");
}

TEST_CASE("DMARC: the record, its policy, and whose it is") {
  CHECK(dmarc_said({{"_dmarc.us.example", {"v=DMARC1; p=reject; rua=mailto:d@us.example"}}}) ==
        "ok: the policy is reject");
  CHECK(dmarc_said({}) ==
        "warning: there is no record; large providers want one > _dmarc.us.example. IN TXT "
        "\"v=DMARC1; p=none; rua=mailto:postmaster@us.example\"");
  CHECK(dmarc_said({{"_dmarc.us.example", {"v=DMARC1; p=none"}}}) ==
        "advice: the policy is none: forged mail is only reported\n"
        "advice: nobody gets reports (rua=), so nobody hears of mail that fails");
  CHECK(contains(dmarc_said({{"_dmarc.us.example", {"v=DMARC1; p=reject; t=y"}}}),
                 "advice: the policy is "
                 "reject, and t=y"));
  CHECK(contains(dmarc_said({{"_dmarc.us.example", {"v=DMARC1; rua=mailto:d@us.example"}}}),
                 "warning: the record has a policy that is none of"));
  CHECK(contains(dmarc_said({{"_dmarc.us.example", {"v=DMARC1; sp=none"}}}),
                 "error: the record has no valid p="));
  CHECK(dmarc_said({{"_dmarc.us.example", {"v=DMARC1; p=none", "v=DMARC1; p=reject"}}}) ==
        "error: there are 2 records, and then none of them counts; leave one");
  CHECK(contains(dmarc_said({{"_dmarc.us.example", {"V=dmarc1; p=none"}}}),
                 "error: 'V=dmarc1; p=none' is no "
                 "record"));
  CHECK(dmarc_said({}, "_dmarc.us.example") == "warning: the record could not be looked up");
}

TEST_CASE("DMARC: those who are to get reports have to want them") {
  auto with = [](const std::string& rua, std::map<std::string, Texts> more,
                 const std::string& failing = {}) {
    more["_dmarc.us.example"] = {"v=DMARC1; p=reject; rua=" + rua};
    return dmarc_said(more, failing);
  };
  const std::string kConsent = "us.example._report._dmarc.far.example";
  CHECK(with("mailto:d@far.example", {{kConsent, {"v=DMARC1"}}}) == "ok: the policy is reject");
  CHECK(with("mailto:d@far.example", {}) ==
        "ok: the policy is reject\nwarning: d@far.example gets no reports: its domain has not said "
        "that "
        "it takes them > " +
            kConsent + ". IN TXT \"v=DMARC1\"");
  CHECK(
      contains(with("mailto:d@far.example", {}, kConsent), "warning: whether d@far.example takes"));
  CHECK(with("mailto:d@sub.us.example,https://x.example/", {}) == "ok: the policy is reject");
}

TEST_CASE("DMARC: siblings of one organization need no consent") {
  DmarcLook look("a.us.example");
  std::size_t number = 0;
  for (int round = 0; round < 100 && !look.done(); ++round)
    for (const auto& question : look.take_questions()) {
      authentication::DnsAnswer answer{AnswerStatus::no_such_name};
      if (question.name == "_dmarc.a.us.example")
        answer = {AnswerStatus::ok, {"v=DMARC1; p=none; rua=mailto:d@b.us.example"}};
      if (question.name == "_dmarc.us.example") answer = {AnswerStatus::ok, {"v=DMARC1; p=none"}};
      look.answer(number++, answer);
    }
  REQUIRE(look.done());
  REQUIRE(look.facts().places.size() == 1);
  CHECK(look.facts().places[0].taken == ReportsTaken::own);
  CHECK(look.facts().policy_domain == "a.us.example");
}

TEST_CASE("a DMARC record above holds for a domain without one") {
  std::string all = dmarc_said(
      {{"_dmarc.example", {"v=DMARC1; p=reject; sp=quarantine; psd=n; rua=mailto:d@example"}}});
  CHECK(contains(all, "ok: the policy is quarantine (from example)"));
}

TEST_CASE("a policy of MTA-STS has to be there, and name our hosts") {
  const Texts kRecord{"v=STSv1; id=1;"};
  auto policy = [](const std::string& mode, const std::string& host) {
    return Result<std::string>("version: STSv1\nmode: " + mode + "\nmx: " + host +
                               "\nmax_age: 86400\n");
  };
  CHECK(said(sts_findings(sts_of(kRecord, policy("enforce", "*.us.example")))) ==
        "ok: the policy is there; its mode is enforce");
  CHECK(contains(said(sts_findings(sts_of(kRecord, policy("testing", "mx.us.example")))),
                 "advice: "));
  CHECK(contains(said(sts_findings(sts_of(kRecord, policy("enforce", "mx.far.example")))),
                 "error: the policy does not name the MX host mx.us.example"));
  CHECK(contains(said(sts_findings(sts_of(kRecord, policy("testing", "mx.far.example")))),
                 "warning: "));
  CHECK(contains(said(sts_findings(sts_of(kRecord, policy("odd", "x")))),
                 "error: the policy is none"));
  CHECK(contains(said(sts_findings(sts_of(kRecord, Error{"404", 404}))),
                 "error: the policy cannot be fetched from mta-sts.us.example: 404"));
  CHECK(contains(said(sts_findings(sts_of({}, policy("enforce", "x")))),
                 "advice: there is no policy"));
  CHECK(contains(said(sts_findings(sts_of({"v=STSv1"}, policy("enforce", "x")))),
                 "error: _mta-sts."));
  CHECK(contains(said(sts_findings(sts_of({kRecord[0], kRecord[0]}, policy("enforce", "x")))),
                 "error: "));
  StsAnswers gone = sts_of(kRecord, policy("enforce", "x"));
  gone.host = addresses({});
  CHECK(contains(said(sts_findings(gone)), "error: mta-sts.us.example has no address"));
  gone.host = addresses({"192.0.2.1"});
  gone.fetched.reset();
  CHECK(contains(said(sts_findings(gone)), "warning: the policy was not fetched in time"));
}

TEST_CASE("reports about TLS need a place that is one") {
  auto reports = [](Texts list) {
    return said(tls_report_findings({"us.example", texts(std::move(list))}));
  };
  CHECK(reports({"v=TLSRPTv1; rua=mailto:t@us.example"}) == "ok: reports about TLS are asked for");
  CHECK(reports({"v=TLSRPTv1;rua=https://us.example/x, mailto:no"}) ==
        "ok: reports about TLS are asked for");
  CHECK(contains(reports({}), "advice: nobody is told"));
  CHECK(contains(reports({"v=TLSRPTv1; rua=ftp://x/"}), "error: the record names no place"));
  CHECK(contains(reports({"v=TLSRPTv1"}), "error: the record names no place"));
  CHECK(contains(reports({"v=TLSRPTv1; rua=mailto:a@b", "v=TLSRPTv1; rua=mailto:a@b"}),
                 "error: there are 2"));
}

TEST_CASE("the host has addresses, and their names lead back") {
  auto answers = [](OwnAddressAnswer own) {
    return HostAnswers{"mx.us.example", addresses({"192.0.2.1"}), {std::move(own)}};
  };
  auto pointer = [&](Texts names, std::vector<NameOfAddress> back) {
    OwnAddressAnswer own{"192.0.2.1", {AnswerStatus::ok, std::move(names)}, std::move(back)};
    if (own.names.names.empty()) own.names.status = AnswerStatus::no_such_name;
    auto findings = host_findings(answers(own));
    REQUIRE(findings.size() == 2);
    return said({findings[1]});
  };
  const std::string kLine = " > 1.2.0.192.in-addr.arpa. IN PTR mx.us.example.";
  CHECK(pointer({"mx.us.example"}, {{"mx.us.example", addresses({"192.0.2.1"})}}) ==
        "ok: its name is mx.us.example, and that leads back");
  CHECK(pointer({}, {}) ==
        "error: it has no name (PTR), and many receivers refuse mail from such addresses" + kLine);
  CHECK(pointer({"x.isp.example"}, {{"x.isp.example", addresses({"192.0.2.1"})}}) ==
        "advice: its name is x.isp.example, which leads back, but is not what we say in EHLO" +
            kLine);
  CHECK(pointer({"x.isp.example"}, {{"x.isp.example", addresses({"192.0.2.7"})}}) ==
        "error: its name x.isp.example does not lead back to it" + kLine);
  CHECK(contains(pointer({"x.isp.example"}, {{"x.isp.example", {}}}), "warning: where its name"));
  HostAnswers none{"mx.us.example", addresses({}), {}};
  CHECK(contains(said(host_findings(none)),
                 "error: the name that we say in EHLO has no address > "
                 "mx.us.example. IN A 192.0.2.1"));
  CHECK(contains(said(host_findings(none)), "advice: no public address of this host is known"));
}

TEST_CASE("keys: what signs has to be published, what is next is to be, what is old may go") {
  auto pem = tls::new_private_key(tls::KeyKind::ed25519);
  REQUIRE(pem);
  OwnKey key;
  key.entry.domain = "us.example";
  key.entry.selector = "s";
  key.entry.origin = {"t.toml", 3, 1};
  key.path = "s.pem";
  read_private_key(key, pem);
  REQUIRE(key.trouble.empty());
  auto finding = [&](KeyRole role, authentication::DnsAnswer answer) {
    key.role = role;
    return said({key_finding(key, fitting_of_key(key, answer), std::chrono::hours(120))});
  };
  authentication::DnsAnswer good{AnswerStatus::ok, {key.record()}};
  authentication::DnsAnswer testing{AnswerStatus::ok, {key.record() + "; t=y"}};
  authentication::DnsAnswer none{AnswerStatus::no_such_name};
  authentication::DnsAnswer other{AnswerStatus::ok, {"v=DKIM1; p="}};
  CHECK(finding(KeyRole::signs, good) == "ok: key s (Ed25519) signs, and its record fits");
  CHECK(contains(finding(KeyRole::signs, testing), "warning: key s (Ed25519) signs: it says t=y"));
  authentication::DnsAnswer two{AnswerStatus::ok, {"v=DKIM1; p=", key.record()}};
  CHECK(contains(finding(KeyRole::signs, two), "warning: key s (Ed25519) signs: 2 TXT records"));
  CHECK(finding(KeyRole::next, two) ==
        "warning: key s (Ed25519) is the next one, and cannot sign yet: 2 TXT records stand there, "
        "and verifiers may take another than ours (RFC 6376 3.6.2.2); leave one");
  CHECK(contains(finding(KeyRole::signs, none),
                 "error: key s (Ed25519) signs, and no signature of it can "
                 "be verified: no key is published there > s._domainkey."
                 "us.example. IN TXT ("));
  CHECK(contains(finding(KeyRole::signs, other), "error: "));
  CHECK(contains(finding(KeyRole::signs, {}), "warning: "));
  CHECK(finding(KeyRole::next, good) ==
        "advice: key s (Ed25519) is published and may sign: postwain dkim rotate us.example");
  CHECK(contains(finding(KeyRole::next, none),
                 "advice: key s (Ed25519) is the next one, and is to be"));
  CHECK(contains(finding(KeyRole::next, other),
                 "warning: key s (Ed25519) is the next one, and cannot"));
  CHECK(contains(finding(KeyRole::old, good),
                 "still published: the record of s._domainkey.us.example may "
                 "go 12d after it signed last"));
  CHECK(contains(finding(KeyRole::old, none), "its [[dkim_key]] (t.toml:3:1) and s.pem may go"));
  key.trouble = "the key cannot be read";
  CHECK(finding(KeyRole::signs, good) == "error: key s: the key cannot be read");
}

TEST_CASE("a domain without a key may be signed for by one above") {
  OwnKey key;
  key.entry.domain = "us.example";
  CHECK(contains(said({no_key_finding("a.us.example", {key})}),
                 "ok: its mail is signed with the keys of us"));
  CHECK(contains(said({no_key_finding("us2.example", {key})}),
                 "advice: its mail is not signed here"));
  key.entry.subdomains = false;
  CHECK(contains(said({no_key_finding("a.us.example", {key})}), "advice: "));
}

TEST_CASE("our domains and addresses are those of the configuration") {
  config::Loaded loaded = config::parse(
      {"t.toml",
       {{"t.toml",
         "hostname = \"mx.us.example\"\npostmaster = \"p@boss.example\"\n"
         "[[listener]]\naddress = \"192.0.2.5:25\"\n[[listener]]\naddress = \"127.0.0.1:26\"\n"
         "[[domain]]\nname = [\"us.example\", \".any.example\", \"Localhost\"]\n"
         "[[dkim_key]]\ndomain = \"Key.example\"\nselector = \"a\"\nkey = \"a.pem\"\n"
         "[[dkim_key]]\ndomain = \"us.example\"\nselector = \"a\"\nkey = \"a.pem\"\n"
         "[srs]\ndomain = \"srs.example\"\nsecrets = [\"file:srs\"]\n"
         "[[route]]\nmatch = \"*\"\ndeliver = \"mx\"\nsources = [\"192.0.2.6\", \"10.0.0.1\"]\n"},
        {"a.pem", "x"},
        {"srs", "0123456789abcdef0123"}}});
  REQUIRE(loaded.diagnostics.empty());
  std::string all;
  for (const OwnDomain& one : own_domains(loaded.config))
    all += one.name + (one.writes ? "" : "?") + (one.receives ? "< " : " ");
  CHECK(all == "boss.example key.example srs.example?< us.example< ");
  CHECK(own_addresses(loaded.config, {}, {"192.0.2.5", "2001:db8::1", "192.168.0.1"}) ==
        Texts{"192.0.2.5", "2001:db8::1", "192.0.2.6"});
  CHECK(own_addresses(loaded.config, {"10.0.0.9"}, {"192.0.2.5"}) == Texts{"10.0.0.9"});
  Texts many;
  for (int i = 0; i < 200; ++i) many.push_back("198.51.100." + std::to_string(i));
  CHECK(own_addresses(loaded.config, many, {}).size() == kOwnAddressesMax);
}

TEST_CASE("findings as lines") {
  CHECK(finding_lines({{"us.example", "mx", FindingLevel::error, "gone", "line"},
                       {"us.example", "spf", FindingLevel::ok, "there"}}) ==
        "error   us.example mx: gone\n        publish: line\nok      us.example spf: there\n");
}
