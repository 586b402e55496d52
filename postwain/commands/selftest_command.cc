#include "postwain/commands/selftest_command.h"

#include <algorithm>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "common/sandbox/files.h"
#include "postwain/checking/checked_config.h"
#include "postwain/checking/examination.h"
#include "postwain/process/programs.h"
#include "postwain/supervisor/folders.h"

namespace postwain::tool {

namespace {

using Json = nlohmann::ordered_json;

struct Findings {
  std::vector<Tried> tried;
  std::vector<Needed> needed;

  bool nobody_can_more() const {
    return std::all_of(tried.begin(), tried.end(), [](const Tried& one) { return one.good(); });
  }
  bool all_works() const {
    return std::all_of(needed.begin(), needed.end(), [](const Needed& one) { return one.good(); });
  }
};

void print_findings_json(const Findings& found) {
  Json attempts = Json::array();
  for (const Tried& one : found.tried)
    attempts.push_back({{"process", name_of(one.kind)},
                        {"attempt", one.attempt->name},
                        {"what", one.attempt->what},
                        {"succeeded", one.succeeded},
                        {"allowed", one.allowed}});
  Json needs = Json::array();
  for (const Needed& one : found.needed)
    needs.push_back({{"process", name_of(one.kind)},
                     {"need", one.name},
                     {"what", one.what},
                     {"works", one.works},
                     {"refused", one.refused},
                     {"error", one.error},
                     {"ok", one.good()}});
  fmt::print("{}\n", Json({{"ok", found.nobody_can_more() && found.all_works()},
                           {"landlock", sandbox::landlock_version()},
                           {"attempts", attempts},
                           {"needs", needs}})
                         .dump());
}

constexpr int kFirstColumn = 30;
constexpr int kColumn = 12;

// A row: a word for each kind of process.
template <class Word>
void print_row(std::string_view title, Word word) {
  fmt::print("{:<{}}", title, kFirstColumn);
  for (std::size_t kind = 0; kind < kKinds; ++kind)
    fmt::print("{:<{}}", word(static_cast<Kind>(kind)), kColumn);
  fmt::print("\n");
}

void print_attempts(const std::vector<Tried>& tried) {
  for (const sandbox::Attempt& attempt : sandbox::attempts())
    print_row(attempt.what, [&](Kind kind) {
      for (const Tried& one : tried)
        if (one.attempt == &attempt && one.kind == kind)
          return !one.succeeded ? "no" : one.allowed ? "yes" : "YES (!)";
      return "";
    });
}

void print_needs(const std::vector<Needed>& needed) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Needed& one : needed)
    if (std::none_of(rows.begin(), rows.end(), [&](const auto& r) { return r.first == one.name; }))
      rows.emplace_back(one.name, one.what);
  for (const auto& [name, what] : rows)
    print_row(what, [&, &wanted = name](Kind kind) {
      for (const Needed& one : needed)
        if (one.name == wanted && one.kind == kind)
          return !one.good() ? "FAILS (!)" : one.refused.empty() ? "ok" : "ok (*)";
      return "-";
    });
}

// Which call it was, for each need that did not get all it asked for.
void print_refusals(const std::vector<Needed>& needed) {
  for (const Needed& one : needed) {
    if (one.works && one.refused.empty()) continue;
    std::string calls;
    for (const std::string& call : one.refused) calls += (calls.empty() ? "" : ", ") + call;
    fmt::print("{}: {}: {}{}{}{}\n", name_of(one.kind), one.what, one.works ? "works" : "fails",
               calls.empty() ? "" : ", was refused " + calls, one.error.empty() ? "" : ": ",
               one.error);
  }
}

void print_tables(const Findings& found, const Identities& identities) {
  print_row("can it …", [](Kind kind) { return name_of(kind); });
  if (identities.change)
    print_row("  as the user with number", [&](Kind kind) { return identities.at(kind).uid; });
  print_attempts(found.tried);
  fmt::print("\n");
  print_row("has it what it needs for …", [](Kind kind) { return name_of(kind); });
  print_needs(found.needed);
  print_refusals(found.needed);
}

int verdict(const Findings& found) {
  constexpr int kPorts = 4;
  constexpr int kScopes = 6;
  int version = sandbox::landlock_version();
  if (!found.nobody_can_more() && version < kScopes)
    fmt::print(stderr,
               "selftest: this kernel's Landlock is of version {}: {}abstract sockets and signals "
               "are guarded from version {} on\n",
               version, version < kPorts ? "TCP ports are guarded from version 4 on, " : "",
               kScopes);
  if (!found.nobody_can_more())
    return fail(kExitSoftware,
                "selftest: a process can do more than its work needs (marked with !)");
  if (!found.all_works())
    return fail(kExitSoftware,
                "selftest: a process is refused what it needs on this machine (marked with !); "
                "please report the names of the calls");
  return kExitOk;
}

// As `run` does, so that what is tried is what would run.
Status prepare_all_folders(const config::Config& config, Identities& identities) {
  Status done = prepare_folders(config, identities);
  if (done && config.tls_reports.wanted) done = prepare_tls_reports_folder(config, identities);
  if (done && config.dmarc_reports.wanted) done = prepare_dmarc_reports_folder(config, identities);
  if (done && config.strangers.wanted) done = prepare_strangers_folder(config, identities);
  return done;
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
  if (Status done = prepare_all_folders(loaded.config, *identities); !done)
    return fail(kExitCantCreate, done.error().text);
  auto examination = Examination::begin(loaded, *identities, *programs);
  if (!examination) return fail(kExitOsError, examination.error().text);
  if (Status done = keep_to_its_work(loaded.config, *identities); !done)
    return fail(kExitOsError, done.error().text);
  Findings found;
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    auto tried = examination->attempts(static_cast<Kind>(kind));
    if (!tried) return fail(kExitOsError, tried.error().text);
    found.tried.insert(found.tried.end(), tried->begin(), tried->end());
    auto needed = examination->needs(static_cast<Kind>(kind));
    if (!needed) return fail(kExitOsError, needed.error().text);
    found.needed.insert(found.needed.end(), needed->begin(), needed->end());
  }
  if (options.json)
    print_findings_json(found);
  else
    print_tables(found, *identities);
  return verdict(found);
}

}  // namespace postwain::tool
