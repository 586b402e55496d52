#include "postwain/selftest_command.h"

#include <cerrno>

#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/daemon/confinement.h"
#include "postwain/checked_config.h"
#include "postwain/folders.h"
#include "postwain/programs.h"
#include "postwain/role_bundle.h"
#include "postwain/spawn.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

struct Tried {
  Kind kind;
  const sandbox::Attempt* attempt;
  bool succeeded = false;
  bool allowed = false;
  bool good() const { return allowed || !succeeded; }
};

class Examiner {
 public:
  Examiner(const config::Loaded& loaded, const Identities& identities, std::string folder)
      : loaded_(loaded), identities_(identities), folder_(std::move(folder)) {}

  ::postwain::Result<Tried> examine(Kind kind, const sandbox::Attempt& attempt) const {
    auto bundle = sealed_bundle(bundle_for(kind, loaded_));
    if (!bundle) return bundle.error();
    std::string name(name_of(kind));
    std::optional<Identity> who;
    if (identities_.change) who = identities_.at(kind);
    auto pid = spawn(Program{folder_ + "/" + name,
                             {name, "--bundle-fd", "3", "--attempt", std::string(attempt.name)},
                             {bundle->get()},
                             who});
    if (!pid) return pid.error();
    int status = 0;
    while (::waitpid(*pid, &status, 0) < 0)
      if (errno != EINTR) return system_error("waitpid", errno);
    // Killed is failed, too: the system has ended it for the attempt.
    bool ended = WIFSIGNALED(status) || WEXITSTATUS(status) == sandbox::kAttemptFailed ||
                 WEXITSTATUS(status) == sandbox::kAttemptSucceeded;
    if (!ended) return Error{fmt::format("{}: its self-test ended with {}", name, status), 0};
    return Tried{kind, &attempt, WIFEXITED(status) && WEXITSTATUS(status) != 0,
                 attempt.is_allowed(daemon::profile_of(name), identities_.change)};
  }

 private:
  const config::Loaded& loaded_;
  const Identities& identities_;
  std::string folder_;
};

void print_json(const std::vector<Tried>& results, bool good) {
  Json list = Json::array();
  for (const Tried& one : results)
    list.push_back({{"process", name_of(one.kind)},
                    {"attempt", one.attempt->name},
                    {"what", one.attempt->what},
                    {"succeeded", one.succeeded},
                    {"allowed", one.allowed}});
  fmt::print("{}\n", Json({{"ok", good}, {"attempts", list}}).dump());
}

void print_table(const std::vector<Tried>& results, const Identities& identities) {
  fmt::print("{:<30}", "can it …");
  for (std::string_view name : kKindNames) fmt::print("{:<12}", name);
  if (identities.change) {
    fmt::print("\n{:<30}", "  as the user with number");
    for (const Identity& who : identities.of) fmt::print("{:<12}", who.uid);
  }
  const sandbox::Attempt* row = nullptr;
  for (const Tried& one : results) {
    if (one.attempt != row) fmt::print("\n{:<30}", one.attempt->what);
    row = one.attempt;
    fmt::print("{:<12}", !one.succeeded ? "no" : one.allowed ? "yes" : "YES (!)");
  }
  fmt::print("\n");
}

}  // namespace

int selftest_command(const ClientOptions& options) {
  config::Loaded loaded = load_checked(options.config_file);
  for (const config::Diagnostic& d : loaded.diagnostics) fmt::print(stderr, "{}\n", d.text());
  if (!loaded.diagnostics.empty()) return kExitConfig;
  if (loaded.config.sandbox == config::Sandbox::off)
    return fail(kExitConfig, "selftest: [sandbox] mode is off, so there is nothing to prove");
  auto programs = find_programs();
  if (!programs) return fail(kExitUnavailable, programs.error().text);
  auto identities = resolve_identities(loaded.config.users, ::geteuid());
  if (!identities) return fail(kExitConfig, identities.error().text);
  // As `run` does, so that what is tried is what would run.
  if (Status done = prepare_folders(loaded.config, *identities); !done)
    return fail(kExitCantCreate, done.error().text);
  if (Status done = keep_to_its_work(loaded.config, *identities); !done)
    return fail(kExitOsError, done.error().text);
  Examiner examiner(loaded, *identities, *programs);
  std::vector<Tried> results;
  for (const sandbox::Attempt& attempt : sandbox::attempts())
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
      auto result = examiner.examine(static_cast<Kind>(kind), attempt);
      if (!result) return fail(kExitOsError, result.error().text);
      results.push_back(*result);
    }
  bool good = std::all_of(results.begin(), results.end(), [](const Tried& r) { return r.good(); });
  if (options.json)
    print_json(results, good);
  else
    print_table(results, *identities);
  if (good) return kExitOk;
  return fail(kExitSoftware, "selftest: a process can do more than its work needs (marked with !)");
}

}  // namespace postwain::tool
