#include "postwain/backup_command.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "postwain/control_client.h"
#include "postwain/present.h"
#include "postwain/programs.h"
#include "postwain/progress.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

struct Copied {
  std::size_t files = 0;
  std::uint64_t bytes = 0;
  Progress progress{"MiB copied", 0};
};

// As root, the copy belongs to whom the original belongs, so that it can be put in its place.
Status keep_owner(const std::string& from, const std::string& to) {
  struct stat info {};
  if (::stat(from.c_str(), &info) != 0) return system_error(from, errno);
  if (::geteuid() == 0 && ::lchown(to.c_str(), info.st_uid, info.st_gid) != 0)
    return system_error(to, errno);
  return {};
}

Status copy_one(const std::string& from, const std::string& to, Copied& copied) {
  Result<std::uint64_t> bytes = copy_file(from, to, [&](std::size_t piece) {
    copied.bytes += piece;
    copied.progress.reach(copied.bytes >> 20);
  });
  if (!bytes) return bytes.error();
  ++copied.files;
  return keep_owner(from, to);
}

Status make_folder_like(const std::string& from, const std::string& to) {
  if (::mkdir(to.c_str(), 0700) != 0) return system_error(to, errno);
  return keep_owner(from, to);
}

Status copy_snapshot(const std::string& from, const std::string& to, Copied& copied) {
  for (const char* part : {"", "/content"})
    if (Status s = make_folder_like(from + part, to + part); !s) return s;
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

// Under another name until all of it is there.
Status take_snapshot_to(const std::string& snapshot, const std::string& folder, Copied& copied) {
  std::string partial = folder + ".partial";
  Status done = copy_snapshot(snapshot, partial, copied);
  if (done && ::rename(partial.c_str(), folder.c_str()) != 0) done = system_error(folder, errno);
  if (done) return sync_folder(fs::absolute(folder).parent_path().string());
  std::error_code ignored;
  fs::remove_all(partial, ignored);
  return done;
}

}  // namespace

int backup_command(const ClientOptions& options, const std::string& folder) {
  auto config = client_config(options.config_file);
  if (!config) return fail(config.error().code, config.error().text);
  std::error_code wrong;
  if (fs::exists(folder, wrong) || fs::exists(folder + ".partial", wrong))
    return fail(kExitCantCreate, folder + " (or " + folder + ".partial) is there already");
  std::string problem;
  Json answer;
  Copied copied;
  // The snapshot lasts as long as the connection: it is copied before the answer counts as heard.
  auto heard = [&](const std::string& text) {
    answer = Json::parse(text, nullptr, false);
    if (!answer.is_object()) answer = Json::object();
    problem = answer.value("error", std::string());
    if (!problem.empty()) return;
    Status done = take_snapshot_to(answer.value("folder", std::string()), folder, copied);
    if (!done) problem = done.error().text;
    copied.progress.end();
  };
  auto result = ask(config->qmgr_socket(), Json({{"command", "queue backup"}}).dump(), heard);
  if (!result) return fail(result.error().code, result.error().text);
  if (!problem.empty()) return fail(*result != kExitOk ? *result : kExitIoError, problem);
  if (options.json)
    fmt::print("{}\n", Json({{"folder", folder},
                             {"messages", answer.value("messages", 0)},
                             {"recipients", answer.value("recipients", 0)},
                             {"files", copied.files},
                             {"bytes", copied.bytes}})
                           .dump());
  else
    fmt::print("{}: {} messages, {} recipients, {} bytes in {} files\n", folder,
               answer.value("messages", 0), answer.value("recipients", 0), copied.bytes,
               copied.files);
  return kExitOk;
}

int recover_command(const ClientOptions& options, const std::string& folder) {
  auto config = client_config(options.config_file);
  if (!config) return fail(config.error().code, config.error().text);
  auto programs = find_programs();
  if (!programs) return fail(kExitUnavailable, programs.error().text);
  std::string program = *programs + "/qmgr";
  ::execl(program.c_str(), program.c_str(), options.json ? "recover-json" : "recover",
          config->spool_dir.c_str(), folder.c_str(), static_cast<char*>(nullptr));
  return fail(kExitOsError, system_error(program, errno).text);
}

}  // namespace postwain::tool
