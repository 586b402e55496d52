// How results of TLS and DMARC reach the reporter: real connections to qmgr.
#include <catch2/catch.hpp>

#include <string>

#include "common/ipc/dmarc_results.h"
#include "tests/unit/qmgr/qmgr_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;
using ipc::FrameType;
using ipc::Role;

namespace {

ipc::DmarcResults dmarc_of(std::uint64_t count) {
  ipc::DmarcResults out;
  out.results.emplace_back();
  out.results[0].result.published.domain = "a.example";
  out.results[0].count = count;
  return out;
}

ipc::TlsResults tls_of(std::uint64_t count) {
  ipc::TlsResults out;
  out.results.emplace_back();
  out.results[0].result.domain = "a.example";
  out.results[0].count = count;
  return out;
}

}  // namespace

TEST_CASE("results of both kinds reach the reporter, those that came before it, too") {
  Rig rig;
  auto filter = rig.peer(Role::filter, "filter");
  auto agent = rig.peer(Role::smtp_client, "smtp-client[0]");
  filter->send(dmarc_of(1));
  agent->send(tls_of(2));
  auto late = rig.peer(Role::metrics, "metrics");  // by now qmgr has read what came before
  auto reporter = rig.peer(Role::reporter, "reporter");
  REQUIRE(rig.until([&] {
    return reporter->count(FrameType::dmarc_results) == 1 &&
           reporter->count(FrameType::tls_results) == 1;
  }));
  CHECK(reporter->got<ipc::DmarcResults>().results[0].count == 1);
  CHECK(reporter->got<ipc::DmarcResults>().results[0].result.published.domain == "a.example");
  CHECK(reporter->got<ipc::TlsResults>().results[0].count == 2);
  // Another one during a reload: the newer one gets them, and nobody gets one twice.
  auto newer = rig.peer(Role::reporter, "reporter");
  filter->send(dmarc_of(3));
  REQUIRE(rig.until([&] { return newer->count(FrameType::dmarc_results) == 1; }));
  CHECK(newer->got<ipc::DmarcResults>().results[0].count == 3);
  CHECK(reporter->count(FrameType::dmarc_results) == 1);
  // It goes, and the one before it counts again.
  newer.reset();
  auto again = rig.peer(Role::metrics, "metrics");
  filter->send(dmarc_of(4));
  REQUIRE(rig.until([&] { return reporter->count(FrameType::dmarc_results) == 2; }));
}

TEST_CASE("while the reporter is away the newest results are kept, and no more than that") {
  Rig rig;
  auto filter = rig.peer(Role::filter, "filter");
  for (std::uint64_t i = 0; i < kResultFramesKept + 5; ++i) filter->send(dmarc_of(i));
  auto late = rig.peer(Role::metrics, "metrics");
  auto reporter = rig.peer(Role::reporter, "reporter");
  REQUIRE(
      rig.until([&] { return reporter->count(FrameType::dmarc_results) == kResultFramesKept; }));
  CHECK(reporter->got<ipc::DmarcResults>().results[0].count == 5);
}

TEST_CASE("who sends results that are none, or none of his, is gone") {
  Rig rig;
  auto filter = rig.peer(Role::filter, "filter");
  SECTION("malformed") {
    ipc::DmarcResults bad = dmarc_of(1);
    bad.results[0].result.row.source = std::string(300, '1');
    filter->send(bad);
  }
  SECTION("larger than anybody makes them") {
    ipc::DmarcResults large = dmarc_of(1);
    large.results[0].result.row.signatures.assign(mail::kReportedSignaturesMax,
                                                  {std::string(255, 'd'), {}, {}, {}});
    large.results.assign(500, large.results[0]);
    filter->send(large);
  }
  SECTION("of TLS") {
    filter->send(tls_of(1));
  }
  CHECK(rig.until([&] { return filter->closed(); }));
  auto agent = rig.peer(Role::smtp_client, "smtp-client[0]");
  agent->send(dmarc_of(1));
  CHECK(rig.until([&] { return agent->closed(); }));
}

TEST_CASE("what the reporter tells of itself is kept, and is nobody else's to say") {
  Rig rig;
  ipc::ReporterReport report;
  report.topics[static_cast<std::size_t>(ipc::ReportTopic::tls)].sent = 3;
  auto reporter = rig.peer(Role::reporter, "reporter");
  reporter->send(report);
  REQUIRE(rig.until([&] { return rig.reporter_board.of(ipc::ReportTopic::tls).sent == 3; }));
  auto filter = rig.peer(Role::filter, "filter");
  filter->send(report);
  REQUIRE(rig.until([&] { return filter->closed(); }));
  CHECK(rig.reporter_board.of(ipc::ReportTopic::tls).sent == 3);
}
