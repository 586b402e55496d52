// What other processes count, summed up for the metrics; nothing is shown of what is not wanted.
#include <catch2/catch.hpp>

#include "common/config/config.h"

#include "qmgr/control/metrics/metrics_text.h"
#include "qmgr/model/filter_board.h"
#include "qmgr/model/reporter_board.h"
#include "tests/unit/qmgr/control/fake_cluster.h"

using namespace postwain;
using namespace postwain::qmgr;

namespace {

template <class Message>
std::string payload_of_report(const Message& message) {
  std::string frame;
  REQUIRE(ipc::append_frame(frame, message));
  return frame.substr(6);
}

std::string page_of(const QueueStatus& status, const Metrics& metrics = {}) {
  return metrics_text(status, metrics, {});
}

bool has_line(const std::string& page, const std::string& line) {
  return page.find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("what the reporter tells is summed up, and what waits is what it told last") {
  QueueStatus status;
  CHECK(page_of(status).find("postwain_report") == std::string::npos);
  ipc::ReporterReport report;
  report.topics[static_cast<std::size_t>(ipc::ReportTopic::dmarc)] = {10, 1, 2, 3, 4};
  ReporterBoard& board = status.reporter;
  board.configure(false, true);
  const std::string payload = payload_of_report(report);
  CHECK(board.take_frame(ipc::FrameType::reporter_report, payload));
  CHECK(board.take_frame(ipc::FrameType::reporter_report, payload));
  CHECK_FALSE(board.take_frame(ipc::FrameType::signer_report, payload));
  CHECK_FALSE(board.take_frame(ipc::FrameType::reporter_report, payload.substr(1)));
  const std::string page = page_of(status);
  CHECK(has_line(page, "postwain_reported_results_total{topic=\"dmarc\"} 20"));
  CHECK(has_line(page, "postwain_reports_total{topic=\"dmarc\",result=\"sent\"} 2"));
  CHECK(has_line(page, "postwain_reports_total{topic=\"dmarc\",result=\"put_off\"} 4"));
  CHECK(has_line(page, "postwain_reports_total{topic=\"dmarc\",result=\"given_up\"} 6"));
  CHECK(has_line(page, "postwain_reports_waiting{topic=\"dmarc\"} 4"));
  CHECK(page.find("topic=\"tls\"") == std::string::npos);
}

TEST_CASE("the nodes of a cluster are counted, and there is nothing of it without one") {
  QueueStatus status;
  CHECK(page_of(status).find("postwain_cluster") == std::string::npos);
  status.cluster = test::FakeCluster().view();
  std::string page = page_of(status);
  for (const char* line :
       {"postwain_cluster_standing{standing=\"live\"} 1",
        "postwain_cluster_standing{standing=\"unsure\"} 0", "postwain_cluster_word_seconds 0.312",
        "postwain_cluster_nodes{state=\"live\"} 1", "postwain_cluster_nodes{state=\"draining\"} 1",
        "postwain_cluster_nodes{state=\"gone\"} 2", "postwain_cluster_bags 40",
        "postwain_cluster_orphan_bags 2", "postwain_cluster_one_machine 1",
        "postwain_cluster_fences_total 1", "postwain_cluster_adoptions_total 21",
        "postwain_cluster_gives_total 3", "postwain_cluster_places_claimed 9",
        "postwain_cluster_limits_reached 2"}) {
    CAPTURE(line);
    CHECK(has_line(page, line));
  }
  CHECK(has_line(page, "postwain_cluster_in_doubt 0"));
  CHECK(has_line(page, "postwain_cluster_clock_seconds 0"));
  CHECK(has_line(page, "postwain_cluster_history_dropped_bytes_total 0"));
  CHECK(page.find("postwain_cluster_lag_bytes") == std::string::npos);
  status.cluster->lag = 8192;
  status.cluster->in_doubt = 3;
  status.cluster->history_dropped = 4096;
  status.cluster->worth = "remote";
  status.cluster->standing = "fenced";
  status.cluster->nodes.clear();
  page = page_of(status);
  CHECK(has_line(page, "postwain_cluster_one_machine 0"));
  CHECK(has_line(page, "postwain_cluster_lag_bytes 8192"));
  CHECK(has_line(page, "postwain_cluster_in_doubt 3"));
  CHECK(has_line(page, "postwain_cluster_history_dropped_bytes_total 4096"));
  CHECK(has_line(page, "postwain_cluster_standing{standing=\"fenced\"} 1"));
  CHECK(has_line(page, "postwain_cluster_bags 0"));
}

TEST_CASE("what mail authentication has found is summed up") {
  QueueStatus status;
  ipc::FilterReport report;
  report.authentication.add_result(ipc::AuthenticationMethod::spf_helo, "softfail");
  report.authentication.add_end(ipc::AuthenticationCause::own_domains,
                                ipc::AuthenticationEnd::hold);
  report.authentication.add_end(ipc::AuthenticationCause::none, ipc::AuthenticationEnd::accept);
  const std::string payload = payload_of_report(report);
  config::Config config;
  status.filters.configure(config);
  CHECK(status.filters.take_frame(ipc::FrameType::filter_report, payload, true));
  CHECK(page_of(status).find("postwain_authentication") == std::string::npos);
  config.authentication.wanted = true;
  status.filters.configure(config);
  CHECK(status.filters.take_frame(ipc::FrameType::filter_report, payload, false));
  const std::string page = page_of(status);
  CHECK(has_line(
      page, "postwain_authentication_results_total{method=\"spf_helo\",result=\"softfail\"} 2"));
  CHECK(
      has_line(page, "postwain_authentication_results_total{method=\"dmarc\",result=\"fail\"} 0"));
  CHECK(has_line(page,
                 "postwain_authentication_actions_total{cause=\"own_domains\",action=\"hold\"} 2"));
  CHECK(
      has_line(page, "postwain_authentication_actions_total{cause=\"none\",action=\"accept\"} 2"));
  CHECK(page.find("cause=\"none\",action=\"hold\"") == std::string::npos);
  CHECK(page.find("cause=\"spf\",action=\"accept\"") == std::string::npos);
}

TEST_CASE(
    "attempts that were to be signed, and rewritten senders, are shown where there are such") {
  QueueStatus status;
  Metrics metrics;
  metrics.signing({});
  metrics.signing({mail::SigningEnd::made, 0, {{"a.example", "s", "rsa-sha256"}}});
  metrics.signing({mail::SigningEnd::put_off, 0, {}});
  metrics.senders_rewritten = 3;
  metrics.receivers[static_cast<std::size_t>(ipc::Counted::srs_expired)] = 4;
  CHECK(page_of(status, metrics).find("postwain_sign") == std::string::npos);
  CHECK(page_of(status, metrics).find("postwain_srs") == std::string::npos);
  status.signer.configure(true);
  status.srs = true;
  const std::string page = page_of(status, metrics);
  CHECK(has_line(page, "postwain_signing_attempts_total{result=\"signed\"} 1"));
  CHECK(has_line(page, "postwain_signing_attempts_total{result=\"put_off\"} 1"));
  CHECK(has_line(page, "postwain_signing_attempts_total{result=\"no_key\"} 0"));
  CHECK(page.find("result=\"\"") == std::string::npos);
  CHECK(has_line(page, "postwain_srs_rewritten_total{result=\"rewritten\"} 3"));
  CHECK(has_line(page, "postwain_srs_returns_total{result=\"expired\"} 4"));
}
