// What is counted of DMARC, within bounds, and the report it becomes.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "reporter/dmarc/dmarc_counts.h"
#include "reporter/dmarc/dmarc_report.h"
#include "reporter/dmarc/dmarc_reports.h"
#include "reporter/sending/gzip.h"

using namespace postwain;
using namespace postwain::reporter;
using mail::DmarcDone;
using mail::DmarcExcuse;
using mail::DmarcResult;
using mail::DmarcWish;

namespace {

const Day kToday = Day(std::chrono::days(20'000));  // 2024-10-04
const Submitter kReceiver{"Example & Sons", "post@us.example", "dmarc@us.example", "us.example",
                          "mx.us.example"};

DmarcResult forged(const std::string& source, const std::string& envelope = "evil.example") {
  DmarcResult out;
  out.published = {.domain = "a.example", .policy = DmarcWish::reject, .failures = "0"};
  out.row = {.source = source,
             .done = DmarcDone::quarantine,
             .excuse = DmarcExcuse::local_policy,
             .header_from = "news.a.example",
             .envelope_from = envelope,
             .signatures = {{"evil.example", "s1", "pass", ""}, {"a.example", "k", "fail", "why"}},
             .spf_domain = envelope,
             .spf_result = "softfail"};
  return out;
}

std::string report_of(const DmarcCounts& counts, const std::string& domain = "a.example") {
  auto found = counts.find(kToday, domain);
  REQUIRE(found);
  return dmarc_report(kReceiver, kToday, *found);
}

std::size_t times_in(std::string_view text, std::string_view part) {
  std::size_t out = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1))
    ++out;
  return out;
}

std::uint64_t messages_in(const DmarcCounts::OfDomain& of) {
  std::uint64_t out = of.left_out;
  for (const auto& [row, count] : *of.rows) out += count;
  return out;
}

}  // namespace

TEST_CASE("a DMARC report as XML") {
  DmarcCounts counts;
  counts.add(kToday, forged("192.0.2.1"), 3);
  counts.add(kToday, forged("192.0.2.1"), 1);
  CHECK(report_of(counts) == R"(<?xml version="1.0" encoding="UTF-8"?>
<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">
  <version>1.0</version>
  <report_metadata>
    <org_name>Example &amp; Sons</org_name>
    <email>post@us.example</email>
    <report_id>dmarc.2024-10-04.a.example@mx.us.example</report_id>
    <date_range>
      <begin>1728000000</begin>
      <end>1728086399</end>
    </date_range>
    <generator>Postwain</generator>
  </report_metadata>
  <policy_published>
    <domain>a.example</domain>
    <discovery_method>treewalk</discovery_method>
    <p>reject</p>
    <sp>reject</sp>
    <np>reject</np>
    <adkim>r</adkim>
    <aspf>r</aspf>
    <fo>0</fo>
    <testing>n</testing>
  </policy_published>
  <record>
    <row>
      <source_ip>192.0.2.1</source_ip>
      <count>4</count>
      <policy_evaluated>
        <disposition>quarantine</disposition>
        <dkim>fail</dkim>
        <spf>fail</spf>
        <reason>
          <type>local_policy</type>
        </reason>
      </policy_evaluated>
    </row>
    <identifiers>
      <header_from>news.a.example</header_from>
      <envelope_from>evil.example</envelope_from>
    </identifiers>
    <auth_results>
      <dkim>
        <domain>evil.example</domain>
        <selector>s1</selector>
        <result>pass</result>
      </dkim>
      <dkim>
        <domain>a.example</domain>
        <selector>k</selector>
        <result>fail</result>
        <human_result>why</human_result>
      </dkim>
      <spf>
        <domain>evil.example</domain>
        <scope>mfrom</scope>
        <result>softfail</result>
      </spf>
    </auth_results>
  </record>
</feedback>
)");
}

TEST_CASE("each tag of the record stands in the report, with its default where it is missing") {
  DmarcResult result = forged("192.0.2.1");
  result.published.policy = DmarcWish::none;
  result.published.subdomains = DmarcWish::quarantine;
  result.published.dkim_strict = result.published.testing = true;
  result.published.failures = "1:d";
  DmarcCounts counts;
  counts.add(kToday, result, 1);
  std::string xml = report_of(counts);
  for (const char* element :
       {"<p>none</p>", "<sp>quarantine</sp>", "<np>quarantine</np>", "<adkim>s</adkim>",
        "<aspf>r</aspf>", "<fo>1:d</fo>", "<testing>y</testing>"}) {
    CAPTURE(element);
    CHECK(xml.find(element) != std::string::npos);
  }
  result.published.nonexistent = DmarcWish::reject;
  counts.add(kToday, result, 1);  // the record has changed: its newest state counts
  xml = report_of(counts);
  CHECK(xml.find("<np>reject</np>") != std::string::npos);
  CHECK(times_in(xml, "<record>") == 1);
  CHECK(xml.find("<count>2</count>") != std::string::npos);
}

TEST_CASE("what strangers write stays text") {
  DmarcResult hostile = forged("192.0.2.1", "</envelope_from><x a=\"'&amp;]]>");
  hostile.row.header_from = std::string("nul\0and\x01\x7f\xff\xed\xa0\x80", 13);
  hostile.row.signatures = {{"<!--", "]]>&#0;&lt;", "<?xml?>", "\r\n\t"}};
  hostile.row.spf_domain = "\xf0\x9f\x98\x80";
  DmarcCounts counts;
  counts.add(kToday, hostile, 1);
  std::string xml = report_of(counts);
  for (char c : xml) CHECK((c == '\n' || (c >= ' ' && c <= '~')));
  CHECK(
      xml.find("<envelope_from>&lt;/envelope_from&gt;&lt;x a=\"'&amp;amp;]]&gt;</envelope_from>") !=
      std::string::npos);
  CHECK(xml.find("<header_from>nul?and???"
                 "???"
                 "</header_from>") != std::string::npos);
  CHECK(xml.find("<domain>&lt;!--</domain>") != std::string::npos);
  CHECK(xml.find("<selector>]]&gt;&amp;#0;&amp;lt;</selector>") != std::string::npos);
  CHECK(xml.find("<domain>???"
                 "?"
                 "</domain>") != std::string::npos);
  CHECK(times_in(xml, "<record>") == 1);
}

TEST_CASE("counts of DMARC survive their text") {
  DmarcCounts counts;
  counts.add(kToday, forged("192.0.2.1"), 40);
  counts.add(kToday, forged("192.0.2.1"), 2);
  counts.add(kToday, forged("2001:db8::1", std::string("\xff\x00\n\"\\", 5)), 1);
  DmarcResult other = forged("192.0.2.3");
  other.published = {.domain = "b.example",
                     .policy = DmarcWish::quarantine,
                     .nonexistent = DmarcWish::none,
                     .spf_strict = true,
                     .failures = "d:s"};
  counts.add(kToday + std::chrono::days(1), other, 7);
  DmarcCounts copy;
  CHECK(copy.load(counts.text()) == 0);
  CHECK(copy.text() == counts.text());
  CHECK(report_of(copy) == report_of(counts));
  CHECK(copy.before(kToday).empty());
  CHECK(copy.before(kToday + std::chrono::days(1)).size() == 1);
  auto found = copy.find(kToday + std::chrono::days(1), "b.example");
  REQUIRE(found);
  CHECK(found->published == other.published);
  copy.remove(kToday, "a.example");
  copy.remove(kToday + std::chrono::days(1), "b.example");
  CHECK(copy.text() == "");
  CHECK_FALSE(copy.find(kToday, "a.example"));
}

TEST_CASE("what was counted before the file could be read is newer than it") {
  DmarcCounts before;
  before.add(kToday, forged("192.0.2.1"), 5);
  DmarcResult now = forged("192.0.2.1");
  now.published.policy = DmarcWish::none;
  DmarcCounts counts;
  counts.add(kToday, now, 1);
  CHECK(counts.load(before.text()) == 0);
  CHECK(counts.find(kToday, "a.example")->published.policy == DmarcWish::none);
  CHECK(report_of(counts).find("<count>6</count>") != std::string::npos);
}

TEST_CASE("lines that are no counts of DMARC are told and passed over") {
  DmarcCounts counts;
  counts.add(kToday, forged("192.0.2.1"), 1);
  std::string good = counts.text();
  using nlohmann::json;
  std::vector<std::string_view> lines = split(good, '\n');
  json of_domain = json::parse(lines[0]);
  json of_row = json::parse(lines[1]);
  std::vector<json> bad;
  auto spoil = [&](const json& from, const char* pointer, const json& value) {
    json& one = bad.emplace_back(from);
    one[json::json_pointer(pointer)] = value;
  };
  spoil(of_domain, "/published/p", "block");
  spoil(of_domain, "/published/sp", 3);
  spoil(of_domain, "/published/fo", std::string(300, '0'));
  spoil(of_domain, "/domain", std::string(300, 'a'));
  spoil(of_domain, "/day", -1);
  spoil(of_domain, "/day", 2'000'000'000);
  spoil(of_domain, "/published", nullptr);
  spoil(of_row, "/row/done", "burnt");
  spoil(of_row, "/row/excuse", "none");
  spoil(of_row, "/row/dkim", "yes");
  spoil(of_row, "/row/source", std::string(300, '1'));
  spoil(of_row, "/row/comment", std::string(200, 'c'));
  spoil(of_row, "/row/signatures", json::array({json::array({"d", "s", "pass"})}));
  spoil(of_row, "/row/signatures", json(std::vector<int>(11)));
  spoil(of_row, "/row/signatures", "none");
  spoil(of_row, "/count", "many");
  spoil(of_row, "/row", json::object());
  std::string text = "nonsense\n[]\n" + good;
  for (const json& one : bad) text += one.dump() + "\n";
  DmarcCounts read;
  CHECK(read.load(text) == bad.size() + 2);
  CHECK(read.text() == good);
}

TEST_CASE(
    "what one domain's mail can make us remember of DMARC is bounded, and what goes is told") {
  DmarcCounts counts;
  for (int i = 0; i < 60'000; ++i)
    counts.add(kToday, forged("192.0.2.1", std::to_string(i) + ".example"), 1);
  auto found = counts.find(kToday, "a.example");
  REQUIRE(found);
  CHECK(found->rows->size() <= kDetailedRowsMax + 1);
  CHECK(messages_in(*found) == 60'000);
  CHECK(found->left_out == 0);  // they are alike but for their details
  CHECK(report_of(counts).find("<error>Of some messages") != std::string::npos);
  for (int i = 0; i < 60'000; ++i) counts.add(kToday, forged(fmt::format("2001:db8::{:x}", i)), 1);
  found = counts.find(kToday, "a.example");
  CHECK(found->rows->size() <= kDmarcRowsMax);
  CHECK(found->left_out > 0);
  CHECK(messages_in(*found) == 120'000);
  std::string xml = report_of(counts);
  CHECK(xml.find(fmt::format("<error>{} further messages", found->left_out)) != std::string::npos);
  CHECK(xml.size() < 64U << 20);
  // And so it is after a restart.
  DmarcCounts copy;
  CHECK(copy.load(counts.text()) == 0);
  CHECK(messages_in(*copy.find(kToday, "a.example")) == 120'000);
}

TEST_CASE("long texts use up a domain's room, and no other's") {
  DmarcCounts counts;
  DmarcResult big = forged("192.0.2.1");
  for (int i = 0; i < 5'000; ++i) {
    big.row.signatures.assign(
        mail::kReportedSignaturesMax,
        {std::string(255, 'd'), std::string(255, 's'), "fail", std::string(100, 'c')});
    big.row.envelope_from = std::to_string(i);
    counts.add(kToday, big, 1);
  }
  auto found = counts.find(kToday, "a.example");
  std::size_t bytes = 0;
  for (const auto& [row, count] : *found->rows) bytes += bytes_of(row);
  CHECK(bytes <= kDmarcDomainBytesMax);
  CHECK(messages_in(*found) == 5'000);
  DmarcResult small = forged("192.0.2.9");
  small.published.domain = "b.example";
  counts.add(kToday, small, 1);
  CHECK(counts.find(kToday, "b.example")->rows->size() == 1);
}

TEST_CASE("domains of one day are bounded") {
  DmarcCounts counts;
  DmarcResult result = forged("192.0.2.1");
  for (std::size_t i = 0; i < kDmarcDomainsMax + 100; ++i) {
    result.published.domain = std::to_string(i) + ".example";
    counts.add(kToday, result, 1);
  }
  Day later = kToday + std::chrono::days(1);
  CHECK(counts.before(later).size() == kDmarcDomainsMax);
  CHECK(split(counts.text(), '\n').size() == 2 * kDmarcDomainsMax + 1);
  counts.remove(kToday, "0.example");
  counts.add(kToday, result, 1);
  CHECK(counts.find(kToday, result.published.domain));
}

TEST_CASE("a DMARC report as mail keeps to the lines and fields it must have") {
  net::Loop loop;
  auto resolver = dns::Resolver::create(loop, {"127.0.0.1:9"}, false);
  REQUIRE(resolver.ok());
  std::string zip = gzip(std::string(5000, 'x') + "end");
  std::string domain = std::string(60, 'a') + ".example";
  std::string text = DmarcReports(**resolver, kReceiver)
                         .mail({"r@a.example", domain, kToday, WallTime(kToday), zip});
  CHECK(is_ascii(text));
  for (std::string_view line : split(text, '\n')) {
    CHECK(line.size() <= 998);
    if (!line.empty()) CHECK(line.back() == '\r');
  }
  std::string id = "<dmarc.2024-10-04." + domain + "@mx.us.example>\r\n";
  for (const std::string& part :
       {std::string("From: <dmarc@us.example>\r\n"), std::string("To: <r@a.example>\r\n"),
        "\r\nMessage-ID: " + id,
        "\r\nSubject: Report Domain: " + domain + "\r\n Submitter: us.example\r\n Report-ID: " + id,
        std::string("\r\nAuto-Submitted: auto-generated\r\n"),
        std::string("\r\nContent-Type: multipart/mixed;\r\n"),
        std::string("Content-Type: application/gzip\r\n"),
        "filename=\"us.example!" + domain + "!1728000000!1728086399.xml.gz\""}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
  CHECK(text.find("TLS-Re") == std::string::npos);
}
