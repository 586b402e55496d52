#include "qmgr/control/json/status_json.h"

#include <nlohmann/json.hpp>

#include "common/base/sane_time.h"

#include "qmgr/control/json/cluster_json.h"
#include "qmgr/control/json/destination_json.h"
#include "qmgr/control/json/json_text.h"

namespace postwain::qmgr {

namespace {

using Json = nlohmann::ordered_json;

Json queue_json(const QueueStatus& status) {
  Json queue;
  queue["messages"] = status.messages;
  queue["recipients"] = status.recipients;
  queue["counted"] = status.counted;
  Json& states = queue["states"] = Json::object();
  for (std::size_t i = 0; i < kQueueStates; ++i) {
    auto state = static_cast<QueueState>(i);
    std::int64_t sum = 0;
    for (const Counts::Group& group : status.groups)
      if (group.state == state) sum += group.recipients;
    states[std::string(name_of(state))] = sum;
  }
  queue["oldest"] = status.oldest == WallTime{} ? "" : format_rfc3339(status.oldest);
  queue["store"] = status.store;
  queue["active"] = status.active;
  queue["in_memory"] = status.in_memory;
  queue["content_bytes"] = status.content_bytes;
  queue["wal_bytes"] = status.wal_bytes;
  return queue;
}

// As qshape(1): {"domain", "recipients", "oldest", "5m", "10m" … "1280m", "1280m+"}.
Json shape_json(const ShapeRow& row) {
  Json out;
  out["domain"] = row.domain;
  out["recipients"] = row.recipients;
  out["oldest"] = row.oldest == WallTime::max() ? std::string() : format_rfc3339(row.oldest);
  for (std::size_t i = 0; i < kShapeMinutes.size(); ++i)
    out[std::to_string(kShapeMinutes[i]) + "m"] = row.ages[i];
  out[std::to_string(kShapeMinutes.back()) + "m+"] = row.ages.back();
  return out;
}

Json filter_json(const KnownFilter& filter, bool connected) {
  const ipc::FilterState& state = filter.state;
  Json out;
  out["name"] = state.name;
  out["mode"] = state.watch ? "watch" : "enforce";
  out["breaker"] = connected && filter.reported ? ipc::name_of(state.breaker) : "unknown";
  if (state.breaker_since > 0)
    out["breaker_since"] = format_rfc3339(sane_time(state.breaker_since));
  Json& verdicts = out["verdicts"] = Json::object();
  for (std::size_t i = 0; i < ipc::kFilterWords; ++i) {
    auto word = static_cast<ipc::FilterWord>(i);
    verdicts[std::string(ipc::name_of(word))] = filter.sums.words(word);
  }
  Json& failures = out["failures"] = Json::object();
  for (std::size_t i = 1; i < ipc::kFilterFailures; ++i)
    failures[std::string(ipc::name_of(static_cast<ipc::FilterFailure>(i)))] =
        filter.sums.failures[i];
  if (state.last_failure != ipc::FilterFailure::none)
    out["last_failure"] = {{"time", format_rfc3339(sane_time(state.last_failure_at))},
                           {"kind", ipc::name_of(state.last_failure)},
                           {"text", state.last_failure_text}};
  return out;
}

Json list_json(const KnownList& list, const FilterBoard& board) {
  const ipc::ListState& state = list.state;
  bool known = board.is_known(list);
  Json out;
  out["label"] = state.label;
  out["state"] = known ? ipc::name_of(state.standing) : "unknown";
  out["believed"] = board.is_believed(list);
  if (known) {
    out["since"] = format_rfc3339(sane_time(state.since));
    out["testing"] = state.testing;
    if (!state.testing) out["next_test"] = format_rfc3339(sane_time(state.next_test));
  }
  Json& answers = out["answers"] = Json::object();
  for (std::size_t i = 0; i < ipc::kListVerdicts; ++i)
    answers[std::string(ipc::name_of(static_cast<ipc::ListVerdict>(i)))] = list.answers[i];
  return out;
}

}  // namespace

std::int64_t days_left(WallTime not_after, WallTime now) {
  constexpr std::int64_t kDay = 86'400'000;
  std::int64_t ms = to_unix_ms(not_after) - to_unix_ms(now);
  return ms >= 0 ? ms / kDay : -((-ms + kDay - 1) / kDay);
}

std::string json_status(const QueueStatus& status) {
  Json out;
  out["state"] = status.supervisor.state;
  out["version"] = status.supervisor.version;
  Json& processes = out["processes"] = Json::array();
  for (const Process& one : status.supervisor.processes)
    processes.push_back({{"name", one.name}, {"pid", one.pid}});
  out["queue"] = queue_json(status);
  if (status.cluster) out["cluster"] = standing_json(*status.cluster);
  out["accepting"] = status.accepting;
  out["refusal"] = status.refusal;
  out["delivering"] = status.standstill.empty();
  out["standstill"] = status.standstill;
  Json& certificates = out["certificates"] = Json::array();
  for (const Certificates::One& one : status.supervisor.certificates.list)
    certificates.push_back({{"file", one.file},
                            {"not_after", format_rfc3339(one.not_after)},
                            {"days_left", days_left(one.not_after, wall_now())}});
  if (!status.supervisor.certificates.trouble.empty())
    out["certificate_trouble"] = status.supervisor.certificates.trouble;
  out["history"] = {{"on", status.history.on}, {"dropped", status.history.dropped}};
  if (!status.history.trouble.empty()) out["history"]["trouble"] = status.history.trouble;
  if (!status.supervisor.trouble.empty()) out["trouble"] = status.supervisor.trouble;
  out["agents"] = {{"smtp-client", status.smtp_clients}, {"lmtp-client", status.lmtp_clients}};
  if (status.signer.is_wanted()) out["signer"] = {{"connected", status.signer.is_connected()}};
  if (status.filters.filters().empty()) return write_json(out);
  out["filter_process"] = {{"connected", status.filters.is_connected()}};
  Json& filters = out["filters"] = Json::array();
  for (const KnownFilter& one : status.filters.filters())
    filters.push_back(filter_json(one, status.filters.is_connected()));
  if (status.filters.lists().empty()) return write_json(out);
  Json& lists = out["dns_lists"] = Json::array();
  for (const KnownList& one : status.filters.lists())
    lists.push_back(list_json(one, status.filters));
  return write_json(out);
}

std::string json_stats(const QueueStatus& status, std::size_t in_doubt,
                       const std::vector<DestinationReport>& destinations,
                       const QueueShape& shape) {
  Json out = queue_json(status);
  out["in_doubt"] = in_doubt;
  Json& domains = out["domains"] = Json::array();
  for (const ShapeRow& row : shape.top(kShapeShown)) domains.push_back(shape_json(row));
  if (QueueShape::Rest rest = shape.rest(kShapeShown); rest.row.recipients > 0) {
    out["other_domains"] = shape_json(rest.row);
    out["other_domains"]["domain"] = "";
    out["other_domains"]["domains"] = rest.domains;
  }
  out["all_domains"] = shape_json(shape.all());
  Json& list = out["destinations"] = Json::array();
  for (const DestinationReport& one : destinations) list.push_back(destination_json(one));
  return write_json(out);
}

std::string json_snapshot(const std::string& folder, const QueueStatus& status) {
  return write_json(Json{{"ok", true},
                         {"folder", folder},
                         {"messages", status.messages},
                         {"recipients", status.recipients}});
}

}  // namespace postwain::qmgr
