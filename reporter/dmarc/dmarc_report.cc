#include "reporter/dmarc/dmarc_report.h"

#include <fmt/format.h>

#include "reporter/dmarc/xml_writer.h"

namespace postwain::reporter {

namespace {

constexpr std::string_view kNamespace = "xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\"";

const char* pass_or_fail(bool passed) {
  return passed ? "pass" : "fail";
}

// What of the day is not told, and why.
std::string gaps_of(const DmarcCounts::OfDomain& counts) {
  if (counts.left_out > 0)
    return fmt::format(
        "{} further messages are in no record here, and of some the authentication results are "
        "left out: they differed in more ways than one report can show",
        counts.left_out);
  if (counts.rows->size() > kDetailedRowsMax)
    return "Of some messages the authentication results are left out: they differed in more ways "
           "than one report can show";
  return {};
}

void put_metadata(XmlWriter& xml, const Submitter& submitter, Day day,
                  const DmarcCounts::OfDomain& counts) {
  xml.open("report_metadata");
  xml.put("org_name", submitter.organization);
  xml.put("email", submitter.contact);
  xml.put("report_id", dmarc_report_id(submitter, day, counts.published.domain));
  xml.open("date_range");
  xml.put("begin", std::to_string(first_second(day)));
  xml.put("end", std::to_string(last_second(day)));
  xml.close();
  if (std::string gaps = gaps_of(counts); !gaps.empty()) xml.put("error", gaps);
  xml.put("generator", "Postwain");
  xml.close();
}

// Tags that are not in the record have their defaults (RFC 9989 4.7).
void put_policy(XmlWriter& xml, const mail::PublishedDmarc& published) {
  mail::DmarcWish subdomains = published.subdomains.value_or(published.policy);
  auto alignment = [](bool strict) { return strict ? "s" : "r"; };
  xml.open("policy_published");
  xml.put("domain", published.domain);
  xml.put("discovery_method", "treewalk");
  xml.put("p", name_of(published.policy));
  xml.put("sp", name_of(subdomains));
  xml.put("np", name_of(published.nonexistent.value_or(subdomains)));
  xml.put("adkim", alignment(published.dkim_strict));
  xml.put("aspf", alignment(published.spf_strict));
  if (!published.failures.empty()) xml.put("fo", published.failures);
  xml.put("testing", published.testing ? "y" : "n");
  xml.close();
}

void put_row(XmlWriter& xml, const mail::DmarcRow& row, std::uint64_t count) {
  xml.open("row");
  xml.put("source_ip", row.source);
  xml.put("count", std::to_string(count));
  xml.open("policy_evaluated");
  xml.put("disposition", name_of(row.done));
  xml.put("dkim", pass_or_fail(row.dkim_aligned));
  xml.put("spf", pass_or_fail(row.spf_aligned));
  if (row.excuse != mail::DmarcExcuse::none) {
    xml.open("reason");
    xml.put("type", name_of(row.excuse));
    if (!row.excuse_comment.empty()) xml.put("comment", row.excuse_comment);
    xml.close();
  }
  xml.close();
  xml.close();
}

// DMARC looks at one identity of SPF, that of MAIL FROM, even where a null reverse-path makes it
// the name of the hello (RFC 7208 2.4).
void put_results(XmlWriter& xml, const mail::DmarcRow& row) {
  xml.open("auth_results");
  for (const mail::ReportedSignature& one : row.signatures) {
    xml.open("dkim");
    xml.put("domain", one.domain);
    xml.put("selector", one.selector);
    xml.put("result", one.result);
    if (!one.comment.empty()) xml.put("human_result", one.comment);
    xml.close();
  }
  if (!row.spf_result.empty()) {
    xml.open("spf");
    xml.put("domain", row.spf_domain);
    xml.put("scope", "mfrom");
    xml.put("result", row.spf_result);
    xml.close();
  }
  xml.close();
}

}  // namespace

std::string dmarc_report_id(const Submitter& submitter, Day day, const std::string& domain) {
  return "dmarc." + report_id(submitter, day, domain);
}

std::string dmarc_report(const Submitter& submitter, Day day, const DmarcCounts::OfDomain& counts) {
  XmlWriter xml("feedback", kNamespace);
  xml.put("version", "1.0");
  put_metadata(xml, submitter, day, counts);
  put_policy(xml, counts.published);
  for (const auto& [row, count] : *counts.rows) {
    xml.open("record");
    put_row(xml, row, count);
    xml.open("identifiers");
    xml.put("header_from", row.header_from);
    if (!row.envelope_from.empty()) xml.put("envelope_from", row.envelope_from);
    xml.close();
    put_results(xml, row);
    xml.close();
  }
  return xml.take();
}

}  // namespace postwain::reporter
