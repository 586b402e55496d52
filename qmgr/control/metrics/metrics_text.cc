#include "qmgr/control/metrics/metrics_text.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "qmgr/control/metrics/cluster_part.h"
#include "qmgr/control/metrics/page.h"
#include "qmgr/model/held_domains.h"

namespace postwain::qmgr {

namespace {

void queue_part(MetricsPage& page, const QueueStatus& s) {
  page.metric("postwain_info", "gauge", "Version; always 1.");
  page.value("version", s.supervisor.version, 1);
  page.one("postwain_accepting", "gauge", "1 while new mail is accepted.", s.accepting ? 1 : 0);
  page.one("postwain_queue_messages", "gauge", "Messages in the queue.", s.messages);
  page.one("postwain_queue_recipients", "gauge", "Recipients not settled yet.", s.recipients);
  page.metric("postwain_queue_waiting", "gauge",
              "Recipients not settled yet, by route, traffic class and state.");
  for (const Counts::Group& group : s.groups) page.group(group);
  double age =
      s.oldest == WallTime{} ? 0 : std::chrono::duration<double>(wall_now() - s.oldest).count();
  page.one("postwain_queue_oldest_seconds", "gauge", "Age of the oldest message in the queue.",
           std::max(0.0, age));
  page.one("postwain_queue_active", "gauge", "Attempts that run.", s.active);
  page.one("postwain_queue_in_memory", "gauge", "Messages held in memory for attempts.",
           s.in_memory);
  page.one("postwain_queue_content_bytes", "gauge", "Bytes of content held in memory.",
           s.content_bytes);
  page.one("postwain_queue_wal_bytes", "gauge", "Size of the database's write-ahead log.",
           s.wal_bytes);
  page.one("postwain_history_dropped_total", "counter", "Events the history could not take.",
           s.history.dropped);
  page.metric("postwain_agents", "gauge", "Delivery processes connected.");
  page.value("pool", "smtp", s.smtp_clients);
  page.value("pool", "lmtp", s.lmtp_clients);
  page.metric("postwain_certificate_seconds", "gauge",
              "Time until the certificates of the listeners end; negative: ended.");
  for (const Certificates::One& one : s.supervisor.certificates.list)
    page.value("certificate", one.file,
               (to_unix_ms(one.not_after) - to_unix_ms(wall_now())) / 1000);
  page.one("postwain_certificate_trouble", "gauge",
           "1 while the certificates' files cannot be read.",
           s.supervisor.certificates.trouble.empty() ? 0 : 1);
  page.metric("postwain_process_pid", "gauge", "Process id, by name.");
  for (const Process& one : s.supervisor.processes) page.value("process", one.name, one.pid);
}

void counter_part(MetricsPage& page, const Metrics& m) {
  page.one("postwain_accepted_messages_total", "counter", "Messages accepted.", m.messages);
  page.one("postwain_accepted_recipients_total", "counter", "Recipients accepted.", m.recipients);
  page.metric("postwain_smtp_outcomes_total", "counter",
              "Ends of attempts over SMTP, by recipient.");
  constexpr const char* kDispositions[] = {"delivered", "deferred", "failed"};
  for (std::size_t i = 0; i < 3; ++i)
    page.value("outcome", kDispositions[i], m.outcomes[static_cast<std::size_t>(Pool::smtp)][i]);
  page.metric("postwain_lmtp_outcomes_total", "counter",
              "Ends of attempts over LMTP, by recipient.");
  for (std::size_t i = 0; i < 3; ++i)
    page.value("outcome", kDispositions[i], m.outcomes[static_cast<std::size_t>(Pool::lmtp)][i]);
  page.metric("postwain_replies_total", "counter", "Deciding replies of next hops, by class.");
  constexpr const char* kClasses[] = {"none", "", "2xx", "3xx", "4xx", "5xx"};
  for (std::size_t i : {0U, 2U, 3U, 4U, 5U}) page.value("class", kClasses[i], m.replies[i]);
  page.metric("postwain_delivered_tls_total", "counter", "Deliveries, by TLS version.");
  for (std::size_t i = 0; i < m.tls.size(); ++i)
    page.value("tls", name_of(static_cast<TlsSeen>(i)), m.tls[i]);
  page.one("postwain_in_doubt_total", "counter", "Attempts whose end nobody knows.", m.in_doubt);
  page.one("postwain_dropped_total", "counter",
           "Recipients of reports that failed, with nobody to be told.", m.dropped);
  page.one("postwain_discarded_total", "counter",
           "Recipients whose mail was discarded, as the configuration says.", m.discarded);
  page.metric("postwain_notices_total", "counter", "Bounces and other notices written.");
  constexpr const char* kActions[] = {"failed", "delayed", "delivered", "relayed", "expanded"};
  for (std::size_t i = 0; i < m.notices.size(); ++i)
    page.value("action", kActions[i], m.notices[i]);
  page.metric("postwain_probes_total", "counter", "Next hops asked for a recipient.");
  constexpr const char* kVerdicts[] = {"good", "bad", "undecided"};
  for (std::size_t i = 0; i < m.probes.size(); ++i)
    page.value("verdict", kVerdicts[i], m.probes[i]);
  page.histogram("postwain_accept_seconds", "From the end of the content to the synced commit.",
                 m.accept);
  page.histogram("postwain_queue_wait_seconds", "From acceptance to the end of the first attempt.",
                 m.wait);
  page.histogram("postwain_attempt_seconds", "Duration of attempts.", m.attempt);
  page.histogram("postwain_commit_seconds",
                 "Commits of the queue database, each with its sync and for many messages.",
                 m.commit);
  page.metric("postwain_stage_seconds", "histogram", "Stages of attempts that were passed.");
  for (std::size_t i = 0; i < m.stage.size(); ++i)
    page.buckets(m.stage[i],
                 fmt::format("stage=\"{}\"", mail::name_of(static_cast<mail::Stage>(i))));
}

void receiver_part(MetricsPage& page, const Metrics& m) {
  struct Row {
    ipc::Counted what;
    const char* label;
  };
  auto rows = [&](const char* label, std::initializer_list<Row> list) {
    for (const Row& row : list)
      page.value(label, row.label, m.receivers[static_cast<std::size_t>(row.what)]);
  };
  using ipc::Counted;
  page.one("postwain_sessions", "gauge", "Sessions of clients open at the moment.", m.sessions);
  page.one("postwain_sessions_total", "counter", "Sessions of clients.",
           m.receivers[static_cast<std::size_t>(Counted::sessions)]);
  page.one("postwain_connections_refused_total", "counter", "Connections turned away by a limit.",
           m.receivers[static_cast<std::size_t>(Counted::turned_away)]);
  page.metric("postwain_received_tls_total", "counter", "Handshakes with clients, by TLS version.");
  rows("tls",
       {{Counted::tls12, "TLSv1.2"}, {Counted::tls13, "TLSv1.3"}, {Counted::tls_failed, "failed"}});
  page.metric("postwain_logins_total", "counter", "Attempts of clients to log in.");
  rows("result", {{Counted::logins, "ok"},
                  {Counted::logins_failed, "failed"},
                  {Counted::logins_locked, "locked"},
                  {Counted::logins_trouble, "trouble"}});
  page.metric("postwain_refused_total", "counter", "What clients were refused, by stage.");
  rows("stage", {{Counted::refused_mail, "mail"},
                 {Counted::refused_rcpt, "rcpt"},
                 {Counted::refused_content, "content"},
                 {Counted::refused_queue, "queue"}});
  page.metric("postwain_client_replies_total", "counter", "Replies to clients, by class.");
  rows("class", {{Counted::replies_2xx, "2xx"},
                 {Counted::replies_3xx, "3xx"},
                 {Counted::replies_4xx, "4xx"},
                 {Counted::replies_5xx, "5xx"}});
}

std::string labels_of(const KnownFilter& filter, ipc::FilterStage stage) {
  return fmt::format("filter=\"{}\",stage=\"{}\"", escaped_label(filter.state.name),
                     ipc::name_of(stage));
}

void filter_verdicts(MetricsPage& page, const KnownFilter& filter) {
  for (const auto& [stage, sums] : filter.sums.stages)
    for (std::size_t i = 0; i < ipc::kFilterWords; ++i)
      page.labelled(fmt::format("{},verdict=\"{}\",mode=\"{}\"", labels_of(filter, stage),
                                ipc::name_of(static_cast<ipc::FilterWord>(i)),
                                filter.state.watch ? "watch" : "enforce"),
                    sums.words[i]);
}

Histogram waits_of(const FilterStageSums& sums) {
  Histogram out({ipc::kFilterSeconds.begin(), ipc::kFilterSeconds.end()});
  out.add(sums.waits, static_cast<double>(sums.milliseconds) / 1000);
  return out;
}

void filter_part(MetricsPage& page, const FilterBoard& board) {
  if (board.filters().empty()) return;
  page.one("postwain_filter_process", "gauge",
           "1 while the process that asks filters is connected.", board.is_connected() ? 1 : 0);
  page.metric("postwain_filter_breaker", "gauge",
              "Whether a filter is asked: 0 yes, 1 not after failures, 0.5 it is being tried.");
  for (const KnownFilter& one : board.filters()) {
    constexpr double kValues[] = {0, 1, 0.5};
    page.value("filter", one.state.name, kValues[static_cast<std::size_t>(one.state.breaker)]);
  }
  page.metric("postwain_filter_verdicts_total", "counter",
              "What filters said last of messages, by the stage at which they did.");
  for (const KnownFilter& one : board.filters()) filter_verdicts(page, one);
  page.metric("postwain_filter_failures_total", "counter", "How filters failed.");
  for (const KnownFilter& one : board.filters())
    for (std::size_t i = 1; i < ipc::kFilterFailures; ++i)
      page.labelled(fmt::format("filter=\"{}\",kind=\"{}\"", escaped_label(one.state.name),
                                ipc::name_of(static_cast<ipc::FilterFailure>(i))),
                    one.sums.failures[i]);
  page.metric("postwain_filter_seconds", "histogram",
              "How long a message waited for a filter, by the stage of its last word.");
  for (const KnownFilter& one : board.filters())
    for (const auto& [stage, sums] : one.sums.stages)
      page.buckets(waits_of(sums), labels_of(one, stage));
}

void signer_part(MetricsPage& page, const SignerBoard& board) {
  if (!board.is_wanted()) return;
  const SignerSums& sums = board.sums();
  page.one("postwain_signer_process", "gauge",
           "1 while the process that has the keys for signing is connected.",
           board.is_connected() ? 1 : 0);
  page.metric("postwain_signatures_total", "counter", "Signatures of mail that were made.");
  for (std::size_t i = 0; i < sums.made.size(); ++i)
    page.value("algorithm", ipc::name_of(static_cast<ipc::SigningAlgorithm>(i)), sums.made[i]);
  page.one("postwain_signatures_reused_total", "counter",
           "Signatures that were there from a former attempt of the same message.", sums.cached);
  page.one("postwain_signatures_failed_total", "counter", "Signatures that could not be made.",
           sums.failed);
  page.one("postwain_signing_seconds_total", "counter", "The time that making signatures took.",
           static_cast<double>(sums.microseconds) / 1e6);
}

// What became of the signing of attempts; signatures themselves are the signer's to count.
void signing_part(MetricsPage& page, const Metrics& m, const SignerBoard& board) {
  if (!board.is_wanted()) return;
  page.metric("postwain_signing_attempts_total", "counter",
              "Attempts of mail that was to be signed or sealed, by what came of it.");
  for (std::size_t i = 1; i < m.signings.size(); ++i)
    page.value("result", name_of(static_cast<mail::SigningEnd>(i)), m.signings[i]);
}

void srs_part(MetricsPage& page, const Metrics& m) {
  page.metric("postwain_srs_rewritten_total", "counter",
              "Messages passed on whose sender was to be rewritten, by whether he could be.");
  page.value("result", "rewritten", m.senders_rewritten);
  page.value("result", "kept", m.senders_not_rewritten);
  page.metric("postwain_srs_returns_total", "counter",
              "Recipients that are rewritten senders, by what they are worth.");
  constexpr std::pair<ipc::Counted, const char*> kReturns[] = {
      {ipc::Counted::srs_taken, "accepted"},
      {ipc::Counted::srs_expired, "expired"},
      {ipc::Counted::srs_forged, "forged"},
      {ipc::Counted::srs_no_notice, "no_notice"}};
  for (const auto& [what, label] : kReturns)
    page.value("result", label, m.receivers[static_cast<std::size_t>(what)]);
}

void authentication_part(MetricsPage& page, const FilterBoard& board) {
  if (!board.authenticates()) return;
  const ipc::AuthenticationSums& sums = board.authentication();
  page.metric("postwain_authentication_results_total", "counter",
              "What was found of strangers' mail, by method.");
  for (std::size_t i = 0; i < sums.results.size(); ++i)
    for (std::size_t k = 0; k < sums.results[i].size(); ++k)
      page.labelled(fmt::format("method=\"{}\",result=\"{}\"",
                                ipc::name_of(static_cast<ipc::AuthenticationMethod>(i)),
                                ipc::kAuthenticationResults[k]),
                    sums.results[i][k]);
  page.metric("postwain_authentication_actions_total", "counter",
              "What became of strangers' mail, by the setting that decided.");
  for (std::size_t i = 0; i < sums.ends.size(); ++i)
    for (std::size_t k = 0; k < sums.ends[i].size(); ++k)
      if ((i == 0) == (k == 0))  // what was accepted no setting decided
        page.labelled(fmt::format("cause=\"{}\",action=\"{}\"",
                                  ipc::name_of(static_cast<ipc::AuthenticationCause>(i)),
                                  ipc::name_of(static_cast<ipc::AuthenticationEnd>(k))),
                      sums.ends[i][k]);
}

void report_part(MetricsPage& page, const ReporterBoard& board) {
  constexpr ipc::ReportTopic kTopics[] = {ipc::ReportTopic::tls, ipc::ReportTopic::dmarc};
  auto each = [&](auto show) {
    for (ipc::ReportTopic topic : kTopics)
      if (board.of(topic).wanted) show(ipc::name_of(topic), board.of(topic));
  };
  if (!board.of(kTopics[0]).wanted && !board.of(kTopics[1]).wanted) return;
  page.metric("postwain_reported_results_total", "counter",
              "Results that were counted for reports to other domains, by topic.");
  each([&](auto topic, const ReporterSums& sums) { page.value("topic", topic, sums.results); });
  page.metric("postwain_reports_total", "counter",
              "Reports to other domains, by topic and what became of them.");
  each([&](auto topic, const ReporterSums& sums) {
    auto row = [&](const char* result, std::uint64_t number) {
      page.labelled(fmt::format("topic=\"{}\",result=\"{}\"", topic, result), number);
    };
    row("sent", sums.sent);
    row("put_off", sums.put_off);
    row("given_up", sums.given_up);
  });
  page.metric("postwain_reports_waiting", "gauge", "Reports that are to be sent, by topic.");
  each([&](auto topic, const ReporterSums& sums) { page.value("topic", topic, sums.waiting); });
}

void list_part(MetricsPage& page, const FilterBoard& board) {
  if (board.lists().empty()) return;
  page.metric("postwain_dns_list_believed", "gauge",
              "1 while a DNS list has passed its test, so that its answers count.");
  for (const KnownList& one : board.lists())
    page.value("list", one.state.label, board.is_believed(one) ? 1 : 0);
  page.metric("postwain_dns_list_answers_total", "counter",
              "What DNS lists answered about clients.");
  for (const KnownList& one : board.lists())
    for (std::size_t i = 0; i < ipc::kListVerdicts; ++i)
      page.labelled(fmt::format("list=\"{}\",kind=\"{}\"", escaped_label(one.state.label),
                                ipc::name_of(static_cast<ipc::ListVerdict>(i))),
                    one.answers[i]);
}

void destination_part(MetricsPage& page, const std::vector<DestinationReport>& destinations) {
  std::size_t all = 0;
  std::size_t open = 0;
  std::size_t suspended = 0;
  for (const DestinationReport& one : destinations) {
    if (!held_domain(one.key).empty()) continue;  // counted as the suspension of its domain
    ++all;
    open += one.open || one.mx_set_open ? 1 : 0;
    suspended += one.suspended_until ? 1 : 0;
  }
  page.one("postwain_destinations", "gauge", "Destinations known at the moment.", all);
  page.one("postwain_breakers_open", "gauge", "Destinations that are left alone after failures.",
           open);
  page.one("postwain_destinations_suspended", "gauge",
           "Destinations and domains an operator has suspended.", suspended);
}

}  // namespace

std::string metrics_text(const QueueStatus& status, const Metrics& metrics,
                         const std::vector<DestinationReport>& destinations) {
  MetricsPage page;
  queue_part(page, status);
  destination_part(page, destinations);
  receiver_part(page, metrics);
  filter_part(page, status.filters);
  list_part(page, status.filters);
  authentication_part(page, status.filters);
  signer_part(page, status.signer);
  signing_part(page, metrics, status.signer);
  if (status.srs) srs_part(page, metrics);
  report_part(page, status.reporter);
  if (status.cluster) add_cluster_part(page, *status.cluster);
  counter_part(page, metrics);
  return page.take();
}

}  // namespace postwain::qmgr
