#include "qmgr/cluster_check.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/base/text.h"

#include "qmgr/cluster/server_check.h"
#include "qmgr/engine.h"
#include "qmgr/store/postgres/pg_examination.h"
#include "qmgr/store_order.h"

namespace postwain::qmgr {

namespace {

using cluster::CheckFinding;
using Json = nlohmann::ordered_json;

constexpr const char* kClockSource =
    "/sys/devices/system/clocksource/clocksource0/current_clocksource";

// A server that does not know the options of our sessions is older than all that we work with.
std::string words_of_failure(const StoreError& error) {
  if (error.text.find("unrecognized configuration parameter") == std::string::npos)
    return error.text;
  return error.text + "; PostgreSQL 14 is the oldest that the queue works with";
}

Result<cluster::ServerFacts> find_out(const StoreOrder& order, const std::string& folder) {
  const config::DatabaseAddress& address = *order.to.address;
  PgOptions options = database_options(order.to, order.runtime_dir);
  // Before the first start the spool has no name yet, and so no node is its own.
  if (Result<std::string> name = read_small_file(folder + "/lock"); name)
    options.machine = name->substr(0, name->find('\n'));
  forget_environment();
  StoreResult<cluster::ServerFacts> facts = examine_database(options);
  if (!facts)
    return Error{fmt::format("{}: {}", address.text(), words_of_failure(facts.error())),
                 exit_code_of(facts.error())};
  if (Result<std::string> source = read_small_file(kClockSource); source)
    facts->clocksource = cluster::clock_source(*source);
  return facts.take();
}

void print_check_json(const StoreOrder& order, const cluster::ServerFacts& facts,
                      const std::vector<CheckFinding>& findings) {
  const cluster::Worth worth = cluster::worth_of(facts.commit);
  Json out{{"ok", is_fit(findings)},
           {"database", order.to.address->text()},
           {"server", facts.server},
           {"node", facts.node},
           {"worth", name_of(worth)},
           {"one_machine", is_one_machine(worth)},
           {"round_trip_ms", static_cast<double>(facts.round_trip.count()) / 1000},
           {"clock_difference_ms", facts.clock_difference.count()}};
  Json& list = out["findings"] = Json::array();
  for (const CheckFinding& one : findings)
    list.push_back({{"level", name_of(one.level)}, {"what", one.what}, {"text", one.text}});
  fmt::print("{}\n", out.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void print_check_text(const StoreOrder& order, const std::vector<CheckFinding>& findings) {
  fmt::print("{}\n", order.to.address->text());
  for (const CheckFinding& one : findings)
    fmt::print("{:8}{}: {}\n", name_of(one.level), one.what, printable(one.text, 1000));
  const auto wrong = std::count_if(findings.begin(), findings.end(), [](const CheckFinding& one) {
    return one.level == cluster::CheckLevel::error;
  });
  if (wrong > 0)
    fmt::print("{} thing{} to be put right\n", wrong, wrong == 1 ? " is" : "s are");
  else
    fmt::print("the database is fit for the queue\n");
}

}  // namespace

bool is_cluster_check(int argc, char** argv) {
  if (argc != 3) return false;
  std::string_view word = argv[1];
  return word == "cluster-check" || word == "cluster-check-json";
}

int cluster_check(char** argv) {
  Result<StoreOrder> order = read_store_order();
  if (!order) return tool_failed(order.error().code, order.error().text);
  if (!order->to.address)
    return tool_failed(kExitUsage, "[queue] store names no database, which could be looked at");
  Result<cluster::ServerFacts> facts = find_out(*order, argv[2]);
  if (!facts) return tool_failed(facts.error().code, facts.error().text);
  const std::vector<CheckFinding> findings = cluster::findings_of(*facts);
  if (std::string_view(argv[1]) == "cluster-check-json")
    print_check_json(*order, *facts, findings);
  else
    print_check_text(*order, findings);
  return is_fit(findings) ? kExitOk : kExitFailure;
}

}  // namespace postwain::qmgr
