// Records of DMARC (RFC 9989 4.7, 4.8), and the addresses for reports in them.
#include <catch2/catch.hpp>

#include "common/authentication/dmarc/dmarc_record.h"

using namespace postwain::authentication;

namespace {
constexpr auto kNone = DmarcPolicy::none;
constexpr auto kQuarantine = DmarcPolicy::quarantine;
constexpr auto kReject = DmarcPolicy::reject;
}  // namespace

TEST_CASE("DMARC: the version stands first, exactly so") {
  for (const char* text :
       {"v=DMARC1", "v=DMARC1;", "v = DMARC1 ; p = none", "v=DMARC1;p=none", "V=DMARC1; p=none"})
    CHECK(parse_dmarc_record(text));
  for (const char* text :
       {"", ";", "v", "v=", "v=DMARC", "v=dmarc1; p=none", "v=DMARC2; p=none", "v=DMARC10; p=none",
        " v=DMARC1; p=none", "p=none; v=DMARC1", "v=DMARC1 p=none", "v=DMARC1,p=none", ";v=DMARC1",
        "vv=DMARC1", "v=spf1 -all", "\"v=DMARC1; p=none\""})
    CHECK_FALSE(parse_dmarc_record(text));
  CHECK(parse_dmarc_record("v=DMARC1; p=none; x=" + std::string(kDmarcRecordMax - 20, 'a')));
  CHECK_FALSE(parse_dmarc_record("v=DMARC1; p=none; x=" + std::string(kDmarcRecordMax, 'a')));
}

TEST_CASE("DMARC: every tag") {
  auto record = parse_dmarc_record(
      "v=DMARC1; p=quarantine; sp=none; np=reject; adkim=s; aspf=s; fo=1:d:s; psd=n; t=y; "
      "rua=mailto:a@x.example,mailto:b@y.example!10m; ruf=mailto:c@x.example; pct=5; rf=afrf; "
      "ri=86400; new=thing");
  REQUIRE(record);
  CHECK(record->policy == kQuarantine);
  CHECK(record->subdomains == kNone);
  CHECK(record->nonexistent == kReject);
  CHECK(record->dkim == DmarcAlignment::strict);
  CHECK(record->spf == DmarcAlignment::strict);
  CHECK(record->failures == DmarcFailureOptions{false, true, true, true});
  CHECK(record->psd == DmarcPsd::no);
  CHECK(record->testing);
  REQUIRE(record->aggregate_reports.size() == 2);
  CHECK(record->aggregate_reports[0] == ReportUri{"mailto:a@x.example", "a@x.example", 0});
  CHECK(record->aggregate_reports[1] == ReportUri{"mailto:b@y.example", "b@y.example", 10U << 20});
  REQUIRE(record->failure_reports.size() == 1);
}

TEST_CASE("DMARC: defaults") {
  auto record = parse_dmarc_record("v=DMARC1");
  REQUIRE(record);
  CHECK(*record == DmarcRecord{});
  CHECK(record->dkim == DmarcAlignment::relaxed);
  CHECK(record->failures == DmarcFailureOptions{true, false, false, false});
  CHECK_FALSE(record->policy);
}

TEST_CASE("DMARC: what has no sense leaves the default") {
  auto of = [](const std::string& tags) {
    auto record = parse_dmarc_record("v=DMARC1; " + tags);
    REQUIRE(record);
    return *record;
  };
  CHECK(of("P=REJECT").policy == kReject);
  CHECK(of("p=reject; p=none").policy == kReject);  // a second one is passed over
  CHECK_FALSE(of("p=; p=none").policy);
  CHECK_FALSE(of("p=rejected").policy);
  CHECK_FALSE(of("p").policy);
  CHECK_FALSE(of("=p=none").policy);
  CHECK(of(";; ;p=none;;;").policy == kNone);
  CHECK(of("adkim=x; aspf=").dkim == DmarcAlignment::relaxed);
  CHECK(of("ADKIM=S").dkim == DmarcAlignment::strict);
  CHECK(of("psd=u").psd == DmarcPsd::unknown);
  CHECK(of("psd=Y").psd == DmarcPsd::yes);
  CHECK(of("psd=yes").psd == DmarcPsd::unknown);
  CHECK_FALSE(of("t=n").testing);
  CHECK_FALSE(of("t=yes").testing);
  const DmarcFailureOptions kDefault;
  for (const char* fo : {"fo=", "fo=2", "fo=0:1", "fo=d:d", "fo=0:", "fo=1;fo=d:"})
    CHECK((of(fo).failures == kDefault) == (fo != std::string("fo=1;fo=d:")));
  CHECK(of("fo=d : s").failures == DmarcFailureOptions{false, false, true, true});
  CHECK(of("fo=0").failures == kDefault);
}

TEST_CASE("DMARC: a record without a valid policy") {
  auto policy_of = [](const std::string& tags) {
    auto record = with_policy(*parse_dmarc_record("v=DMARC1; " + tags));
    return record ? std::string(name_of(*record->policy)) : "no policy";
  };
  const std::string rua = "; rua=mailto:a@x.example";
  CHECK(policy_of("p=reject") == "reject");
  CHECK(policy_of("p=what") == "no policy");
  CHECK(policy_of("sp=reject") == "no policy");
  CHECK(policy_of("p=what" + rua) == "none");
  CHECK(policy_of("t=y" + rua) == "none");
  CHECK(policy_of("p=what; rua=nobody") == "no policy");
  CHECK(policy_of("p=what; ruf=mailto:a@x.example") == "no policy");
  CHECK(policy_of("p=reject; sp=what" + rua) == "none");
  CHECK(policy_of("p=reject; np=what" + rua) == "none");
  CHECK(policy_of("p=reject; np=what") == "no policy");
  CHECK(policy_of("p=reject; sp=none; np=quarantine" + rua) == "reject");
  auto mended = with_policy(*parse_dmarc_record("v=DMARC1; p=reject; sp=reject; np=x" + rua));
  REQUIRE(mended);
  CHECK_FALSE(mended->subdomains);
}

TEST_CASE("DMARC: addresses for reports") {
  auto uris = [](std::string_view list) {
    std::string out;
    for (const ReportUri& uri : parse_report_uris(list))
      out += uri.uri + "|" + uri.address + "|" + std::to_string(uri.octets_max) + " ";
    return out;
  };
  CHECK(uris("mailto:a@x.example") == "mailto:a@x.example|a@x.example|0 ");
  CHECK(uris(" MAILTO:a+b@x.example , https://x.example/r ") ==
        "MAILTO:a+b@x.example|a+b@x.example|0 https://x.example/r||0 ");
  CHECK(uris("mailto:a%2Bb@x.example?subject=r") ==
        "mailto:a%2Bb@x.example?subject=r|a+b@x.example|0 ");
  CHECK(uris("mailto:a@x.example!1k,mailto:a@x.example!2T,mailto:a@x.example!3") ==
        "mailto:a@x.example|a@x.example|1024 mailto:a@x.example|a@x.example|2199023255552 "
        "mailto:a@x.example|a@x.example|3 ");
  for (const char* bad : {"",
                          "a@x.example",
                          "mailto:",
                          "mailto:a",
                          "mailto:@x.example",
                          "mailto:a@",
                          "mailto:a@x y",
                          "mailto:a@x.example!",
                          "mailto:a@x.example!k",
                          "mailto:a@x.example!-1",
                          "mailto:a@x.example!99999999999999999999",
                          "mailto:a@x.example!18446744073709551615t",
                          "mailto:a%0D%0ARCPT@x.example",
                          "mailto:a%2@x.example",
                          "mailto:a%00b@x.example",
                          "mailto:a@x.example%2Cb@y.example",
                          "mailto:a b@x.example",
                          "mailto:<a@x.example>",
                          "1x:y",
                          ":x",
                          "mailto:ä@x.example",
                          "mailto:a!b@x.example"})
    CHECK(uris(bad).empty());
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "mailto:a@x.example,";
  CHECK(parse_report_uris(many).size() == kReportUrisMax);
  CHECK(uris("https:" + std::string(kReportUriOctetsMax, 'x')).empty());
}
