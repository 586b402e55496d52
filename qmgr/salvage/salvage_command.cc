#include "qmgr/salvage/salvage_command.h"

#include <cerrno>
#include <cstdio>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"

#include "qmgr/salvage/salvage.h"

namespace postwain::qmgr {

namespace {

void print_text(const SalvageReport& report, const std::string& to) {
  for (const std::string& loss : report.losses) fmt::print("{}\n", loss);
  fmt::print("{}: {} messages with {} recipients recovered from {} pages{}\n", to, report.messages,
             report.recipients, report.pages,
             report.pages_of_log > 0 ? fmt::format(" ({} newer in the log)", report.pages_of_log)
                                     : std::string());
  if (report.held)
    fmt::print(
        "All are held, because mail that had left could not be told from mail that had not: "
        "look at them with 'postwain queue list', then 'postwain queue release'.\n");
  fmt::print("To use it: stop Postwain, move its spool away, move {} there, start Postwain.\n", to);
}

}  // namespace

bool is_salvage(int argc, char** argv) {
  return argc == 4 &&
         (std::string_view(argv[1]) == "recover" || std::string_view(argv[1]) == "recover-json");
}

int salvage_command(char** argv) {
  std::string from = argv[2];
  std::string to = argv[3];
  Result<SalvageReport> report = salvage(from, to);
  if (!report) {
    fmt::print(stderr, "postwain: {}\n", report.error().text);
    return report.error().code == EBUSY ? kExitTempFail : kExitIoError;
  }
  if (std::string_view(argv[1]) == "recover-json")
    fmt::print("{}\n", nlohmann::json({{"folder", to},
                                       {"messages", report->messages},
                                       {"recipients", report->recipients},
                                       {"held", report->held},
                                       {"losses", report->losses}})
                           .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  else
    print_text(*report, to);
  return report->losses.empty() ? kExitOk : kExitDataError;
}

}  // namespace postwain::qmgr
