#include "qmgr/salvage_command.h"

#include <cerrno>
#include <cstdio>
#include <string_view>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/file.h"
#include "common/base/sysexits.h"

#include "qmgr/file_system.h"
#include "qmgr/salvage.h"

namespace postwain::qmgr {

namespace {

// As root, what was made belongs to whom the spool belongs.
Status give_away(const std::string& from, const std::string& to) {
  struct stat owner {};
  if (::geteuid() != 0 || ::stat(from.c_str(), &owner) != 0) return {};
  for (const std::string& folder : {to, to + "/content", to + "/lost"}) {
    auto names = FileSystem::real().names(folder);
    if (!names) continue;
    for (const std::string& name : *names)
      if (name != "..")
        if (::lchown((folder + "/" + name).c_str(), owner.st_uid, owner.st_gid) != 0)
          return system_error(folder + "/" + name, errno);
  }
  return {};
}

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
  Status given = report ? give_away(from, to) : Status(report.error());
  if (!given) {
    fmt::print(stderr, "postwain: {}\n", given.error().text);
    return given.error().code == EBUSY ? kExitTempFail : kExitIoError;
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
