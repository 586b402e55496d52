#include "postwain/commands/backup_command.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "postwain/client/control_client.h"
#include "postwain/client/json_member.h"
#include "postwain/client/operator_request.h"
#include "postwain/client/present.h"
#include "postwain/client/progress.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

struct Copied {
  std::size_t files = 0;
  std::uint64_t bytes = 0;
  Progress progress{"MiB copied", 0};
};

// What the part that has given up root tells the other.
struct Summary {
  std::uint64_t messages = 0;
  std::uint64_t recipients = 0;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

Status copy_one(const std::string& from, const std::string& to, Copied& copied) {
  Result<std::uint64_t> bytes = copy_file(from, to, [&](std::size_t piece) {
    copied.bytes += piece;
    copied.progress.reach(copied.bytes >> 20);
  });
  if (!bytes) return bytes.error();
  ++copied.files;
  return {};
}

// Into the current folder.
Status copy_snapshot(const std::string& from, Copied& copied) {
  const std::string to = ".";
  if (::mkdir("content", 0700) != 0) return system_error("content", errno);
  if (Status s = copy_one(from + "/queue.db", to + "/queue.db", copied); !s) return s;
  std::error_code wrong;
  for (const fs::directory_entry& entry : fs::directory_iterator(from + "/content", wrong)) {
    std::string name = entry.path().filename().string();
    if (Status s = copy_one(from + "/content/" + name, to + "/content/" + name, copied); !s)
      return s;
  }
  if (wrong) return Error{from + "/content: " + wrong.message(), wrong.value()};
  for (const char* part : {"/content", ""})
    if (Status s = sync_folder(to + part); !s) return s;
  return {};
}

// Copies the snapshot into that folder, as the queue's user: qmgr says where it lies, and has made
// what lies there. A sysexits code.
int copy_as_queue(const config::Config& config, int folder, Summary& summary) {
  const fs::path before = fs::current_path();
  std::string problem;
  Copied copied;
  auto enter = [folder](const net::PeerCredentials& server) -> Status {
    // As root, the copy belongs to whom the original belongs, so that it can be put in its place.
    if (::geteuid() == 0 && ::fchown(folder, server.uid, server.gid) != 0)
      return system_error("the new folder", errno);
    return ::fchdir(folder) == 0 ? Status{} : system_error("the new folder", errno);
  };
  // The snapshot lasts as long as the connection: it is copied before the answer counts as heard.
  auto heard = [&](const std::string& text) {
    Json answer = parse_answer(text);
    if (answer.contains("error")) problem = error_member(answer, "refused");
    if (!problem.empty()) return;
    summary.messages = static_cast<std::uint64_t>(number_member(answer, "messages"));
    summary.recipients = static_cast<std::uint64_t>(number_member(answer, "recipients"));
    Status done = copy_snapshot((before / raw_member(answer, "folder")).string(), copied);
    if (!done) problem = done.error().text;
    copied.progress.end();
  };
  auto result = ask(config, OperatorRequest(ipc::OperatorCommand::queue_backup).text(), heard,
                    {.before_giving_up = enter});
  if (!result) return fail(result.error().code, result.error().text);
  if (!problem.empty()) return fail(*result != kExitOk ? *result : kExitIoError, problem);
  summary.files = copied.files;
  summary.bytes = copied.bytes;
  return *result;
}

// In a process of its own, because what comes after it needs root again. Only numbers come back.
int copy_apart(const config::Config& config, const std::string& partial, Summary& summary) {
  if (::mkdir(partial.c_str(), 0700) != 0)
    return fail(kExitIoError, system_error(partial, errno).text);
  UniqueFd folder(::open(partial.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  int ends[2];
  if (!folder || ::pipe2(ends, O_CLOEXEC) != 0)
    return fail(kExitOsError, system_error(partial, errno).text);
  UniqueFd in(ends[0]);
  UniqueFd out(ends[1]);
  std::fflush(nullptr);
  pid_t pid = ::fork();
  if (pid == 0) {
    int code = copy_as_queue(config, folder.get(), summary);
    if (code == kExitOk &&
        !write_all(out.get(), {reinterpret_cast<char*>(&summary), sizeof summary}))
      code = kExitOsError;
    std::fflush(nullptr);
    ::_exit(code);
  }
  out.reset();
  int status = 0;
  while (pid > 0 && ::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (pid < 0 || !WIFEXITED(status)) return fail(kExitOsError, "the copy ended unexpectedly");
  if (WEXITSTATUS(status) != kExitOk) return WEXITSTATUS(status);
  bool whole = ::read(in.get(), &summary, sizeof summary) == sizeof summary;
  return whole ? kExitOk : fail(kExitOsError, "the copy ended unexpectedly");
}

}  // namespace

int backup_command(const ClientOptions& options, const std::string& folder) {
  auto config = client_config(options.config_file);
  if (!config) return fail(config.error().code, config.error().text);
  std::error_code wrong;
  if (fs::exists(folder, wrong) || fs::exists(folder + ".partial", wrong))
    return fail(kExitCantCreate, folder + " (or " + folder + ".partial) is there already");
  // Under another name until all of it is there.
  std::string partial = folder + ".partial";
  Summary summary;
  int code = copy_apart(*config, partial, summary);
  if (code == kExitOk && ::rename(partial.c_str(), folder.c_str()) != 0)
    code = fail(kExitIoError, system_error(folder, errno).text);
  if (code != kExitOk) {
    fs::remove_all(partial, wrong);
    return code;
  }
  if (Status s = sync_folder(fs::absolute(folder).parent_path().string()); !s)
    return fail(kExitIoError, s.error().text);
  if (options.json)
    print_json(Json({{"folder", folder},
                     {"messages", summary.messages},
                     {"recipients", summary.recipients},
                     {"files", summary.files},
                     {"bytes", summary.bytes}})
                   .dump());
  else
    fmt::print("{}: {} messages, {} recipients, {} bytes in {} files\n", folder, summary.messages,
               summary.recipients, summary.bytes, summary.files);
  return kExitOk;
}

}  // namespace postwain::tool
