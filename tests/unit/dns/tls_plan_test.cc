// DANE: which TLSA records count, and what they make of a host (RFC 7672 2.2, 3.1).
#include <catch2/catch.hpp>

#include "common/dns/tls_plan.h"
#include "common/mail/idn.h"

using namespace postwain;
using namespace postwain::dns;
using mail::is_usable;
using mail::Tlsa;
using mail::TlsEnd;
using mail::TlsLevel;

namespace {

const std::string kSha256(32, 'a');
const Tlsa kGood{3, 1, 1, kSha256};
const Tlsa kAnchor{2, 0, 2, std::string(64, 'b')};
const Tlsa kPkix{1, 1, 1, kSha256};  // PKIX-EE: not for SMTP

}  // namespace

TEST_CASE("usable TLSA records") {
  CHECK(is_usable(kGood));
  CHECK(is_usable(kAnchor));
  CHECK(is_usable({3, 0, 0, "der"}));
  for (const Tlsa& bad : {kPkix, Tlsa{0, 1, 1, kSha256}, Tlsa{4, 1, 1, kSha256},
                          Tlsa{3, 2, 1, kSha256}, Tlsa{3, 1, 3, kSha256}, Tlsa{3, 1, 1, "short"},
                          Tlsa{3, 1, 2, kSha256}, Tlsa{3, 0, 0, ""}, Tlsa{255, 255, 255, kSha256}})
    CHECK_FALSE(is_usable(bad));
}

TEST_CASE("what TLSA answers make of a host") {
  struct Row {
    std::string name;
    TlsLevel level;
    std::optional<TlsaAnswer> answer;
    TlsLevel want;
    std::size_t records;
    bool refused;
  };
  const TlsaAnswer good{AnswerStatus::ok, {kGood, kPkix, kAnchor}, true};
  const TlsaAnswer unusable{AnswerStatus::ok, {kPkix}, true};
  const TlsaAnswer forged{AnswerStatus::ok, {kGood}, false};
  const TlsaAnswer none{AnswerStatus::no_data, {}, true};
  const TlsaAnswer lost{AnswerStatus::temporary, {}, false};
  const Row rows[] = {
      {"nothing asked for", TlsLevel::may, good, TlsLevel::may, 0, false},
      {"verify is verify", TlsLevel::verify, std::nullopt, TlsLevel::verify, 0, false},
      {"unsigned", TlsLevel::policy, std::nullopt, TlsLevel::may, 0, false},
      {"unsigned, demanded", TlsLevel::dane, std::nullopt, TlsLevel::dane, 0, true},
      {"usable", TlsLevel::policy, good, TlsLevel::dane, 2, false},
      {"usable, demanded", TlsLevel::dane, good, TlsLevel::dane, 2, false},
      {"not usable: TLS all the same", TlsLevel::policy, unusable, TlsLevel::encrypt, 0, false},
      {"not usable, demanded", TlsLevel::dane, unusable, TlsLevel::dane, 0, true},
      {"not authentic", TlsLevel::policy, forged, TlsLevel::may, 0, false},
      {"not authentic, demanded", TlsLevel::dane, forged, TlsLevel::dane, 0, true},
      {"proven to be none", TlsLevel::policy, none, TlsLevel::may, 0, false},
      {"proven to be none, demanded", TlsLevel::dane, none, TlsLevel::dane, 0, true},
      {"suppressed", TlsLevel::policy, lost, TlsLevel::dane, 0, true},
      {"suppressed, demanded", TlsLevel::dane, lost, TlsLevel::dane, 0, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    TlsaFound found{"mx.example.org", row.answer.value_or(TlsaAnswer{})};
    HostFacts facts;
    facts.host = "mx.example.org";
    facts.tlsa = row.answer ? &found : nullptr;
    HostTls tls = plan_tls(row.level, facts);
    CHECK(tls.level == row.want);
    CHECK(tls.tlsa.size() == row.records);
    CHECK(tls.refusal.has_value() == row.refused);
    if (row.refused) CHECK(tls.refusal->find("mx.example.org") != std::string::npos);
  }
  CHECK(wants_tlsa(TlsLevel::policy, true));
  CHECK_FALSE(wants_tlsa(TlsLevel::policy, false));
  CHECK_FALSE(wants_tlsa(TlsLevel::encrypt, true));
  CHECK(tlsa_name("mx.example.org", 25) == "_25._tcp.mx.example.org");
}

TEST_CASE("what an MTA-STS policy and REQUIRETLS make of a host") {
  using Mode = mail::StsPolicy::Mode;
  auto policy = [](Mode mode, const char* host) {
    mail::StsPolicy out;
    out.mode = mode;
    out.hosts = {host};
    return out;
  };
  const auto good = policy(Mode::enforce, "*.example.org");
  const auto other = policy(Mode::enforce, "mx.example.net");
  const auto testing = policy(Mode::testing, "mx.example.org");
  const auto none = policy(Mode::none, "mx.example.org");
  const TlsaFound records{"mx.example.org", {AnswerStatus::ok, {kGood}, true}};
  const TlsaFound useless{"mx.example.org", {AnswerStatus::ok, {kPkix}, true}};
  struct Row {
    std::string name;
    TlsLevel level;
    const mail::StsPolicy* sts;
    const TlsaFound* tlsa;
    bool proven;
    TlsLevel want;
    bool refused;
  };
  const Row rows[] = {
      {"enforced", TlsLevel::policy, &good, nullptr, false, TlsLevel::verify, false},
      {"not its host", TlsLevel::policy, &other, nullptr, false, TlsLevel::verify, true},
      {"only tried out", TlsLevel::policy, &testing, nullptr, false, TlsLevel::may, false},
      {"withdrawn", TlsLevel::policy, &none, nullptr, false, TlsLevel::may, false},
      {"DANE comes first", TlsLevel::policy, &other, &records, true, TlsLevel::dane, false},
      {"not asked for", TlsLevel::may, &other, nullptr, false, TlsLevel::may, false},
      {"REQUIRETLS, proven", TlsLevel::proven, nullptr, nullptr, true, TlsLevel::verify, false},
      {"REQUIRETLS, by records", TlsLevel::proven, nullptr, &records, true, TlsLevel::dane, false},
      {"REQUIRETLS, no record usable", TlsLevel::proven, nullptr, &useless, true, TlsLevel::verify,
       false},
      {"REQUIRETLS, by policy", TlsLevel::proven, &testing, nullptr, false, TlsLevel::verify,
       false},
      {"REQUIRETLS, not its host", TlsLevel::proven, &other, nullptr, false, TlsLevel::verify,
       true},
      {"REQUIRETLS, by nobody", TlsLevel::proven, nullptr, nullptr, false, TlsLevel::verify, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    HostFacts facts{"mx.example.org", "example.org", row.proven, row.tlsa, row.sts};
    HostTls tls = plan_tls(row.level, facts);
    CHECK(tls.level == row.want);
    CHECK(tls.refusal.has_value() == row.refused);
    CHECK(tls.only_watch == (row.sts == &testing && row.level == TlsLevel::policy));
  }
}

TEST_CASE("what the domain hears of a host before anybody connects") {
  mail::StsPolicy other;
  other.mode = mail::StsPolicy::Mode::enforce;
  other.hosts = {"mx.example.net"};
  mail::StsPolicy tried = other;
  tried.mode = mail::StsPolicy::Mode::testing;
  const TlsaFound useless{"mx.example.org", {AnswerStatus::ok, {kPkix}, true}};
  const TlsaFound lost{"mx.example.org", {AnswerStatus::temporary, {}, false}};
  struct Row {
    TlsLevel level;
    const mail::StsPolicy* sts;
    const TlsaFound* tlsa;
    TlsEnd want;
  };
  const Row rows[] = {
      {TlsLevel::policy, nullptr, nullptr, TlsEnd::success},
      {TlsLevel::policy, &other, nullptr, TlsEnd::validation_failure},
      {TlsLevel::policy, &tried, nullptr, TlsEnd::validation_failure},
      {TlsLevel::policy, nullptr, &useless, TlsEnd::tlsa_invalid},
      {TlsLevel::dane, nullptr, &useless, TlsEnd::tlsa_invalid},
      {TlsLevel::policy, nullptr, &lost, TlsEnd::dnssec_invalid},
      {TlsLevel::dane, nullptr, nullptr, TlsEnd::dane_required},
      // Our own demand, of which the domain announced nothing.
      {TlsLevel::proven, nullptr, nullptr, TlsEnd::success},
  };
  for (const Row& row : rows)
    CHECK(plan_tls(row.level, {"mx.example.org", "example.org", false, row.tlsa, row.sts}).flaw ==
          row.want);
}

TEST_CASE("internationalized names") {
  using mail::to_ascii;
  CHECK(*to_ascii("Example.org") == "Example.org");
  CHECK(*to_ascii("b\u00fccher.example") == "xn--bcher-kva.example");
  CHECK(*to_ascii("B\u00dcCHER.example") == "xn--bcher-kva.example");
  CHECK(*to_ascii("stra\u00dfe.example") == "xn--strae-oqa.example");  // not "strasse" (RFC 5891)
  CHECK(*to_ascii("\u4f8b\u3048.\u30c6\u30b9\u30c8") == "xn--r8jz45g.xn--zckzah");
  // receive 2: an underscore stays, and no character is dropped on the way.
  CHECK(*to_ascii("_x.b\u00fccher.example") == "_x.xn--bcher-kva.example");
  for (const std::string& bad :
       {std::string("\xff\xfe.example"), std::string("\u00fc\0.example", 11),
        std::string("\u2488com.example"), std::string("\u00fc\u2100.example"),
        std::string("\u00fc x.example"), "\u00fc" + std::string(80, 'x')}) {
    CAPTURE(bad);
    auto result = to_ascii(bad);
    CHECK_FALSE(result.ok());
    CHECK(result.error().text.find("not a valid internationalized domain name") !=
          std::string::npos);
  }
}
