// Reports of RFC 8460: who asks for them, what is counted, what they say, how they are signed.
#include <catch2/catch.hpp>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <nlohmann/json.hpp>

#include "common/base/file.h"
#include "common/base/text.h"
#include "common/tls/sha256.h"
#include "reporter/sending/gzip.h"
#include "reporter/sending/report_spool.h"
#include "reporter/sending/signature.h"
#include "reporter/tls/tls_counts.h"
#include "reporter/tls/tls_record.h"
#include "reporter/tls/tls_report.h"
#include "reporter/tls/tls_reports.h"

#include <unistd.h>

using namespace postwain;
using namespace postwain::reporter;
using mail::ReportedPolicy;
using mail::TlsEnd;
using mail::TlsResult;
using nlohmann::json;

namespace {

const Day kDay = Day(std::chrono::days(20'000));  // 2024-10-04
const Submitter kUs{"Example Inc.", "tls@us.example", "tls@us.example", "us.example",
                    "mx.us.example"};

TlsResult result(TlsEnd end, const std::string& host = {},
                 const std::string& domain = "a.example") {
  mail::StsPolicy sts;
  sts.mode = mail::StsPolicy::Mode::enforce;
  sts.hosts = {"*.a.example"};
  sts.max_age = 86400;
  return {domain, mail::reported(domain, sts), end, host, {}, {}, {}};
}

std::vector<std::string> uris(const std::vector<std::string>& texts) {
  std::vector<std::string> out;
  for (const ReportUri& uri : report_uris(texts)) out.push_back(uri.text());
  return out;
}

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/pw-reporter-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { REQUIRE(std::system(("rm -r " + path).c_str()) == 0); }
};

}  // namespace

TEST_CASE("places where reports are wanted") {
  using List = std::vector<std::string>;
  CHECK(uris({"v=TLSRPTv1; rua=mailto:r@a.example"}) == List{"mailto:r@a.example"});
  CHECK(uris({"v=TLSRPTv1;rua=https://r.a.example/v1?x=1,mailto:r@a.example"}) ==
        List{"https://r.a.example/v1?x=1", "mailto:r@a.example"});
  CHECK(uris({"other", "v=TLSRPTv1; rua = https://R.a.example:8443 ;x=y"}) ==
        List{"https://r.a.example:8443/"});
  CHECK(uris({"v=TLSRPTv1; rua=mailto:a%2Bb@a.example?subject=x"}) == List{"mailto:a+b@a.example"});
  CHECK(uris({"v=TLSRPTv1; rua=mailto:a%25b%3F@a.example"}) ==
        List{"mailto:a%25b%3f@a.example"});  // and is read again as it is written
  CHECK(uris({"v=TLSRPTv1; rua=mailto:r@a.example,mailto:r@a.example"}).size() == 1);
  // Nothing to be sent anywhere.
  for (const char* text :
       {"", "v=TLSRPTv1", "v=TLSRPTv2; rua=mailto:r@a.example", "rua=mailto:r@a.example",
        "v=TLSRPTv1; rua=", "v=TLSRPTv1; rua=http://a.example/", "v=TLSRPTv1; rua=mailto:nobody",
        "v=TLSRPTv1; rua=https:///x", "v=TLSRPTv1; rua=https://a.example:0/",
        "v=TLSRPTv1; rua=https://a.example:99999/", "v=TLSRPTv1; rua=https://u@a.example/",
        "v=TLSRPTv1; rua=mailto:r%0d%0a@a.example", "v=TLSRPTv1; rua=mailto:r%4@a.example",
        "v=TLSRPTv1; rua=mailto:%C3%BC@a.example", "v=TLSRPTv1; rua=https://a.example/\r\nX: y"}) {
    CAPTURE(text);
    CHECK(uris({text}).empty());
  }
  CHECK(uris({"v=TLSRPTv1; rua=mailto:r@a.example", "v=TLSRPTv1; rua=mailto:s@a.example"}).empty());
}

TEST_CASE("no more places than a report is sent to") {
  std::string record = "v=TLSRPTv1; rua=mailto:r0@a.example";
  for (int i = 1; i < 20; ++i) record += ",mailto:r" + std::to_string(i) + "@a.example";
  CHECK(report_uris({record}).size() == kReportUrisMax);
}

TEST_CASE("a tally survives its text") {
  ResultCounts counts;
  TlsResult odd = result(TlsEnd::certificate_expired, "mx.a.example");
  odd.reason = "quote \" backslash \\ line\nfeed \xff";
  odd.address = "192.0.2.1";
  counts.add(kDay, odd, 2);
  counts.add(kDay, result(TlsEnd::success), 40);
  counts.add(kDay, result(TlsEnd::success), 2);
  counts.add(kDay + std::chrono::days(1), result(TlsEnd::success, {}, "b.example"), 1);
  ResultCounts copy;
  CHECK(copy.load(counts.text()) == 0);
  REQUIRE(copy.find(kDay, "a.example") != nullptr);
  CHECK(copy.find(kDay, "a.example")->at(result(TlsEnd::success)) == 42);
  CHECK(copy.before(kDay).empty());
  CHECK(copy.before(kDay + std::chrono::days(1)).size() == 1);
  CHECK(copy.before(kDay + std::chrono::days(9)).size() == 2);
  copy.remove(kDay, "a.example");
  CHECK(copy.find(kDay, "a.example") == nullptr);
  copy.remove(kDay + std::chrono::days(1), "b.example");
  CHECK(copy.text() == "");
}

TEST_CASE("what is no tally is told and passed over") {
  ResultCounts counts;
  counts.add(kDay, result(TlsEnd::success), 1);
  std::string good = counts.text();
  ResultCounts other;
  CHECK(other.load("nonsense\n{}\n[1]\n" + good + good.substr(0, good.size() / 2)) == 4);
  CHECK(other.find(kDay, "a.example")->at(result(TlsEnd::success)) == 1);
}

TEST_CASE("what one domain can make us remember is bounded") {
  ResultCounts counts;
  for (int i = 0; i < 10'000; ++i)
    counts.add(kDay, result(TlsEnd::certificate_expired, "mx" + std::to_string(i)), 1);
  const ResultCounts::Results& results = *counts.find(kDay, "a.example");
  CHECK(results.size() == kResultsMax + 1);
  CHECK(results.at(result(TlsEnd::certificate_expired)) == 10'000 - kResultsMax);
  // With policies of its own making it gets no further.
  for (int i = 0; i < 10'000; ++i) {
    TlsResult other = result(TlsEnd::success);
    other.policy.lines.push_back(std::to_string(i));
    counts.add(kDay, other, 1);
  }
  CHECK(counts.find(kDay, "a.example")->size() == kPoliciesMax);
}

TEST_CASE("long policies are cut, and all of them together are bounded") {
  mail::StsPolicy sts;
  for (int i = 0; i < 100; ++i) sts.hosts.push_back(std::to_string(i) + std::string(240, 'm'));
  TlsResult big;
  big.domain = "a.example";
  big.policy = mail::reported("a.example", sts);
  CHECK(big.policy.hosts.size() < 40);
  CHECK(big.policy.lines.back() == "max_age: 0");
  CHECK(mail::bytes_of(big) < 20U << 10);
  CHECK(mail::reported("mx", std::vector<mail::Tlsa>(50, {3, 0, 0, std::string(1000, 'c')}))
            .lines.size() == 4);
  ResultCounts counts;
  for (int i = 0; i < 12'000; ++i) {
    big.domain = std::to_string(i) + ".example";
    counts.add(kDay, big, 1);
  }
  std::size_t counted = 0;
  for (const DueReport& due : counts.before(kDay + std::chrono::days(1)))
    counted += counts.find(due.day, due.domain)->size();
  CHECK(counted <= kCountsBytesMax / mail::bytes_of(big) + 1);
  CHECK(counted > 5'000);
  // What is reported makes room.
  counts.remove(kDay, "0.example");
  big.domain = "late.example";
  counts.add(kDay, big, 1);
  CHECK(counts.find(kDay, "late.example")->size() == 1);
}

TEST_CASE("a report as JSON") {
  ResultCounts counts;
  TlsResult bad = result(TlsEnd::certificate_host_mismatch, "mx1.a.example");
  bad.address = "192.0.2.1";
  bad.source = "198.51.100.7";
  bad.reason = "hostname mismatch";
  counts.add(kDay, bad, 3);
  counts.add(kDay, result(TlsEnd::success), 100);
  TlsResult clear{"a.example", {}, TlsEnd::starttls_not_supported, "old.a.example", {}, {}, {}};
  clear.policy.domain = "a.example";
  counts.add(kDay, clear, 1);
  json report = json::parse(tls_report(kUs, kDay, "a.example", *counts.find(kDay, "a.example")));
  CHECK(report["organization-name"] == "Example Inc.");
  CHECK(report["contact-info"] == "tls@us.example");
  CHECK(report["report-id"] == "2024-10-04.a.example@mx.us.example");
  CHECK(report["date-range"]["start-datetime"] == "2024-10-04T00:00:00Z");
  CHECK(report["date-range"]["end-datetime"] == "2024-10-04T23:59:59Z");
  REQUIRE(report["policies"].size() == 2);
  CHECK(report["policies"][0] == json::parse(R"({
    "policy": {"policy-type": "no-policy-found", "policy-domain": "a.example"},
    "summary": {"total-successful-session-count": 0, "total-failure-session-count": 1},
    "failure-details": [{"result-type": "starttls-not-supported",
                         "receiving-mx-hostname": "old.a.example", "failed-session-count": 1}]})"));
  CHECK(report["policies"][1] == json::parse(R"({
    "policy": {"policy-type": "sts", "policy-domain": "a.example", "mx-host": ["*.a.example"],
               "policy-string": ["version: STSv1", "mode: enforce", "mx: *.a.example",
                                 "max_age: 86400"]},
    "summary": {"total-successful-session-count": 100, "total-failure-session-count": 3},
    "failure-details": [{"result-type": "certificate-host-mismatch",
                         "sending-mta-ip": "198.51.100.7", "receiving-ip": "192.0.2.1",
                         "receiving-mx-hostname": "mx1.a.example", "failed-session-count": 3,
                         "failure-reason-code": "hostname mismatch"}]})"));
}

TEST_CASE("TLSA records as reports show them") {
  ReportedPolicy policy = mail::reported(
      "mx.a.example", std::vector<mail::Tlsa>{{3, 1, 1, "\x01\xfe"}, {2, 0, 2, "z"}});
  CHECK(policy.domain == "mx.a.example");
  CHECK(policy.lines == std::vector<std::string>{"3 1 1 01fe", "2 0 2 7a"});
}

TEST_CASE("names of results lead back to them") {
  for (int i = 0; i <= static_cast<int>(mail::kTlsEndLast); ++i)
    CHECK(mail::tls_end(name_of(static_cast<TlsEnd>(i))) == static_cast<TlsEnd>(i));
  CHECK_FALSE(mail::tls_end("certificate"));
  CHECK(mail::policy_type("sts") == ReportedPolicy::Type::sts);
  CHECK_FALSE(mail::policy_type(""));
}

TEST_CASE("a report as mail keeps to the lines and fields it must have") {
  std::string zip = gzip(std::string(5000, 'x') + "end");
  net::Loop loop;
  auto resolver = dns::Resolver::create(loop, {"127.0.0.1:9"}, false);
  REQUIRE(resolver.ok());
  std::string text =
      TlsReports(**resolver, kUs)
          .mail({"r@a.example", std::string(200, 'a') + ".example", kDay, WallTime(kDay), zip});
  CHECK(is_ascii(text));
  for (std::string_view line : split(text, '\n')) {
    CHECK(line.size() <= 998);
    if (!line.empty()) CHECK(line.back() == '\r');
  }
  for (const char* field :
       {"From: <tls@us.example>\r\n", "To: <r@a.example>\r\n", "\r\nTLS-Report-Domain: aaa",
        "\r\nTLS-Report-Submitter: us.example\r\n", "\r\nTLS-Required: No\r\n",
        "multipart/report; report-type=\"tlsrpt\"", "Content-Type: application/tlsrpt+gzip\r\n",
        "!1728000000!1728086399.json.gz\"", "\r\nSubject: Report Domain: aaa"})
    CHECK(text.find(field) != std::string::npos);
}

TEST_CASE("a signature is what the key's owner can verify") {
  for (const char* kind : {"RSA", "ED25519"}) {
    EVP_PKEY* key =
        kind[0] == 'R' ? EVP_RSA_gen(2048) : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    char* data = nullptr;
    long size = BIO_get_mem_data(bio, &data);
    auto signing =
        tls::SigningKey::from_pem(std::string_view(data, static_cast<std::size_t>(size)));
    BIO_free(bio);
    REQUIRE(signing.ok());
    auto signature = signing->sign("text");
    REQUIRE(signature.ok());
    bool rsa = kind[0] == 'R';
    CHECK(signing->algorithm() == (rsa ? "rsa-sha256" : "ed25519-sha256"));
    std::string input = rsa ? "text" : tls::sha256("text");
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestVerifyInit(context, nullptr, rsa ? EVP_sha256() : nullptr, nullptr, key);
    auto bytes = [](std::string_view s) {
      return reinterpret_cast<const unsigned char*>(s.data());
    };
    CHECK(EVP_DigestVerify(context, bytes(*signature), signature->size(), bytes(input),
                           input.size()) == 1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
  }
}

TEST_CASE("keys that cannot sign are refused with a reason") {
  CHECK_FALSE(tls::SigningKey::from_pem("").ok());
  CHECK_FALSE(tls::SigningKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n").ok());
  EVP_PKEY* key = EVP_EC_gen("P-256");
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  auto made = tls::SigningKey::from_pem(std::string_view(data, static_cast<std::size_t>(size)));
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().text == "private key: it is neither RSA nor Ed25519");
  BIO_free(bio);
  EVP_PKEY_free(key);
}

TEST_CASE("letters are found again, and nothing else is taken for one") {
  Folder folder;
  ReportSpool spool(ReportSubject::tls, folder.path);
  REQUIRE(*spool.lock());
  CHECK(*spool.counts() == "");
  REQUIRE(spool.save_counts("a\n").ok());
  CHECK(*spool.counts() == "a\n");
  PendingReport pending{
      *parse_place("https://r.a.example/x"), "a.example", kDay, "{}\n", 1U << 20, WallTime(kDay)};
  REQUIRE(spool.put(pending).ok());
  REQUIRE(spool.put(pending).ok());  // made again: the same
  std::string broken = folder.path + "/0123456789abcdef01234567.letter";
  REQUIRE(std::system(("echo '{' > " + broken).c_str()) == 0);
  auto pending_reports = spool.pending_reports();
  REQUIRE(pending_reports.size() == 1);
  CHECK(pending_reports[0].uri == pending.uri);
  CHECK(pending_reports[0].report == pending.report);
  CHECK(pending_reports[0].made == pending.made);
  CHECK(pending_reports[0].octets_max == 1U << 20);
  CHECK(::access((broken + ".bad").c_str(), F_OK) == 0);
  spool.remove(pending.name());
  CHECK(spool.pending_reports().empty());
  // A second process waits for the first.
  ReportSpool other(ReportSubject::tls, folder.path);
  CHECK_FALSE(*other.lock());
}
