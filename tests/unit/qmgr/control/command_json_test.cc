// Requests of operators: what is understood, and who may ask it.
#include <catch2/catch.hpp>

#include "common/base/sysexits.h"
#include "qmgr/control/json/command_json.h"

using namespace postwain;
using namespace postwain::qmgr;

namespace {

std::string refused(const std::string& json, bool only_looks, bool is_supervisor = false) {
  Result<Command> command = parse_command(json);
  REQUIRE(command.ok());
  std::optional<Error> refusal = refusal_of(*command, only_looks, is_supervisor);
  return refusal ? std::to_string(refusal->code) + " " + refusal->text : "";
}

}  // namespace

TEST_CASE("a command takes its own arguments, whatever else is said") {
  auto command = parse_command(
      R"({"command":"queue suspend","destination":"x.test","by":"al","reason":"r","for":"2h",)"
      R"("query":"q","offset":7,"dry_run":true,"filter":{"all":true,"id":"no id"}})");
  REQUIRE(command.ok());
  CHECK(command->destination == "x.test");
  CHECK(command->by == "al");
  CHECK(command->reason == "r");
  CHECK(command->for_time == std::chrono::hours(2));
  CHECK(command->query.empty());
  CHECK(command->offset == 0);
  CHECK_FALSE(command->dry_run);
  CHECK_FALSE(command->all);
  CHECK_FALSE(command->filter.id);
  command = parse_command(
      R"({"command":"queue hold","dry_run":true,"for":"x","filter":{"all":true,"domain":"x"}})");
  REQUIRE(command.ok());
  CHECK(command->all);
  CHECK(command->dry_run);
  CHECK(command->filter.domain == "x");
  CHECK_FALSE(command->for_time);
  command = parse_command(R"({"command":"cluster drain","node":"mx1","by":"al"})");
  REQUIRE(command.ok());
  CHECK(command->node == "mx1");
  CHECK(command->by.empty());
  command = parse_command(R"({"command":"trace","query":"a@b","limit":3,"client":5,"node":"x"})");
  REQUIRE(command.ok());
  CHECK(command->limit == 3);
  CHECK(command->client.empty());
  CHECK(command->node.empty());
}

TEST_CASE("requests that say nothing, or say it wrongly, are refused with a sentence") {
  struct {
    const char* json;
    const char* text;
    int code;
  } rows[] = {
      {"", "the request is not a JSON object", kExitProtocol},
      {"[]", "the request is not a JSON object", kExitProtocol},
      {"{}", "the request names no command", kExitProtocol},
      {R"({"command":7})", "the request names no command", kExitProtocol},
      {R"({"command":"queue list","filter":{"id":"x"}})", "'x' is not a queue id", kExitUsage},
      {R"({"command":"queue stats","filter":{"state":"gone"}})",
       "'gone' is not a state (queued, deferred, held, active)", kExitUsage},
      {R"({"command":"queue suspend","for":"soon"})", "'soon' is not a duration (30m, 2h, 3d)",
       kExitUsage},
      {R"({"command":"watch","filter":{"older":"x"}})", "'x' is not a duration (90s, 2h, 3d)",
       kExitUsage},
  };
  for (const auto& row : rows) {
    CAPTURE(row.json);
    auto command = parse_command(row.json);
    REQUIRE_FALSE(command.ok());
    CHECK(command.error().text == row.text);
    CHECK(command.error().code == row.code);
  }
}

TEST_CASE("who may give which command") {
  CHECK(refused(R"({"command":"status"})", true).empty());
  CHECK(refused(R"({"command":"queue hold"})", false).empty());
  const char* kOnlyLook =
      "is for root and the queue's user: your group may only look ([control] viewers)";
  CHECK(refused(R"({"command":"queue hold"})", true) ==
        std::to_string(kExitNoPermission) + " 'queue hold' " + kOnlyLook);
  CHECK(refused(R"({"command":"queue content"})", true) ==
        std::to_string(kExitNoPermission) + " 'queue content' " + kOnlyLook);
  // To a viewer it is no matter whether a command exists.
  CHECK(refused(R"({"command":"dance"})", true) ==
        std::to_string(kExitNoPermission) + " 'dance' " + kOnlyLook);
  CHECK(refused(R"({"command":"dance"})", false) ==
        std::to_string(kExitUsage) + " unknown command 'dance'");
  CHECK(refused(R"({"command":"processes"})", false) ==
        std::to_string(kExitUsage) + " unknown command 'processes'");
  CHECK(refused(R"({"command":"processes"})", false, true).empty());
}

TEST_CASE("what the supervisor tells is taken member by member") {
  auto command = parse_command(
      R"({"command":"processes","state":"draining","version":"1.2","processes":[{"name":"qmgr",)"
      R"("pid":12},{"name":5,"pid":"x"},7],"certificates":[{"file":"a","not_after_ms":1000},)"
      R"({"file":"b"}],"certificate_trouble":"gone","trouble":["t",1]})");
  REQUIRE(command.ok());
  const SupervisorReport& report = command->report;
  CHECK(report.state == "draining");
  CHECK(report.version == "1.2");
  REQUIRE(report.processes.size() == 2);
  CHECK(report.processes[0].pid == 12);
  CHECK(report.processes[1].name.empty());
  REQUIRE(report.certificates.list.size() == 1);
  CHECK(report.certificates.trouble == "gone");
  CHECK(report.trouble == std::vector<std::string>{"t"});
}
