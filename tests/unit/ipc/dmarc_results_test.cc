// What `filter` tells of DMARC survives the way, and nothing beyond its bounds decodes.
#include <catch2/catch.hpp>

#include <string>

#include "common/ipc/dmarc_results.h"

using namespace postwain;
using namespace postwain::ipc;

namespace {

mail::CountedDmarcResult some_dmarc_result() {
  mail::CountedDmarcResult out;
  out.count = 7;
  out.result.published = {.domain = "a.example",
                          .policy = mail::DmarcWish::reject,
                          .subdomains = mail::DmarcWish::none,
                          .dkim_strict = true,
                          .testing = true,
                          .failures = "1"};
  out.result.row = {.source = "192.0.2.1",
                    .done = mail::DmarcDone::quarantine,
                    .spf_aligned = true,
                    .excuse = mail::DmarcExcuse::trusted_forwarder,
                    .excuse_comment = "why",
                    .header_from = "a.example",
                    .envelope_from = "b.example",
                    .signatures = {{"d", "s", "pass", "c"}},
                    .spf_domain = "b.example",
                    .spf_result = "pass"};
  return out;
}

std::string dmarc_payload(const mail::CountedDmarcResult& result) {
  std::string frame;
  REQUIRE(append_frame(frame, DmarcResults{{result, {}}}));
  Frame cut;
  REQUIRE(next_frame(frame, cut) == FrameState::complete);
  CHECK(cut.type == FrameType::dmarc_results);
  return std::string(cut.payload);
}

bool decodes(const std::string& payload) {
  DmarcResults out;
  return decode(payload, out);
}

}  // namespace

TEST_CASE("results of DMARC come out as they went in, or not at all") {
  mail::CountedDmarcResult sent = some_dmarc_result();
  std::string payload = dmarc_payload(sent);
  DmarcResults read;
  REQUIRE(decode(payload, read));
  REQUIRE(read.results.size() == 2);
  CHECK(read.results[0].count == 7);
  CHECK(read.results[0].result.published == sent.result.published);
  CHECK(read.results[0].result.row == sent.result.row);
  for (std::size_t size = 0; size < payload.size(); ++size)
    CHECK_FALSE(decodes(payload.substr(0, size)));
  CHECK_FALSE(decodes(payload + "x"));
}

TEST_CASE("texts and lists of DMARC results have bounds") {
  const std::string most(mail::kDmarcTextMax, 'x');
  const std::string comment(mail::kDmarcCommentMax, 'c');
  mail::CountedDmarcResult full = some_dmarc_result();
  mail::DmarcRow& row = full.result.row;
  row.source = row.header_from = row.envelope_from = row.spf_domain = row.spf_result = most;
  row.excuse_comment = comment;
  row.signatures.assign(mail::kReportedSignaturesMax, {most, most, most, comment});
  full.result.published.domain = full.result.published.failures = most;
  CHECK(decodes(dmarc_payload(full)));
  CHECK(bytes_of(full.result) < 16U << 10);
  auto beyond = [&](auto change) {
    mail::CountedDmarcResult one = full;
    change(one.result);
    return !decodes(dmarc_payload(one));
  };
  using Result = mail::DmarcResult;
  CHECK(beyond([](Result& one) { one.row.source += 'x'; }));
  CHECK(beyond([](Result& one) { one.row.header_from += 'x'; }));
  CHECK(beyond([](Result& one) { one.row.envelope_from += 'x'; }));
  CHECK(beyond([](Result& one) { one.row.spf_domain += 'x'; }));
  CHECK(beyond([](Result& one) { one.row.spf_result += 'x'; }));
  CHECK(beyond([](Result& one) { one.row.excuse_comment += 'x'; }));
  CHECK(beyond([](Result& one) { one.row.signatures.emplace_back(); }));
  CHECK(beyond([](Result& one) { one.row.signatures[3].domain += 'x'; }));
  CHECK(beyond([](Result& one) { one.row.signatures[3].selector += 'x'; }));
  CHECK(beyond([](Result& one) { one.row.signatures[3].result += 'x'; }));
  CHECK(beyond([](Result& one) { one.row.signatures[3].comment += 'x'; }));
  CHECK(beyond([](Result& one) { one.published.domain += 'x'; }));
  CHECK(beyond([](Result& one) { one.published.failures += 'x'; }));
}

TEST_CASE("names of DMARC lead back to what they name") {
  for (int i = 0; i < 3; ++i)
    CHECK(mail::dmarc_wish(name_of(static_cast<mail::DmarcWish>(i))) ==
          static_cast<mail::DmarcWish>(i));
  for (int i = 0; i < 4; ++i)
    CHECK(mail::dmarc_done(name_of(static_cast<mail::DmarcDone>(i))) ==
          static_cast<mail::DmarcDone>(i));
  for (int i = 0; i < 6; ++i)
    CHECK(mail::dmarc_excuse(name_of(static_cast<mail::DmarcExcuse>(i))) ==
          static_cast<mail::DmarcExcuse>(i));
  CHECK_FALSE(mail::dmarc_wish("pass"));
  CHECK_FALSE(mail::dmarc_done(""));
  CHECK_FALSE(mail::dmarc_excuse("forwarded"));
}
