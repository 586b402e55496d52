#include <cstdio>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/sysexits.h"
#include "postwain/checking/checked_config.h"
#include "postwain/explain/expectations.h"
#include "postwain/explain/whole_check.h"
#include "postwain/process/identity.h"
#include "postwain/supervisor/run.h"

namespace postwain::tool {

using Json = nlohmann::ordered_json;

namespace {

// What `run` would find: as root it needs them; as anybody else it works without.
void look_at_users(config::Loaded& loaded) {
  auto identities = resolve_identities(loaded.config.users, 0);
  if (identities) return;
  config::Origin at = loaded.config.place_of("[users]", "queue");
  if (at.line == 0) at = config::Origin{loaded.bundle.main_file, 1, 1};
  auto& list = ::geteuid() == 0 ? loaded.diagnostics : loaded.warnings;
  list.push_back(config::Diagnostic{at, identities.error().text});
}

}  // namespace

Json to_json(const std::vector<config::Diagnostic>& diagnostics) {
  Json list = Json::array();
  for (const config::Diagnostic& d : diagnostics)
    list.push_back({{"file", d.origin.file},
                    {"line", d.origin.line},
                    {"column", d.origin.column},
                    {"message", d.message}});
  return list;
}

config::Loaded wholly_checked(const std::string& config_file) {
  return wholly_checked(config::load(config_file));
}

config::Loaded wholly_checked(config::Loaded loaded) {
  loaded = checked(std::move(loaded));
  if (loaded.diagnostics.empty()) loaded.diagnostics = failed_expectations(loaded.config);
  if (loaded.diagnostics.empty()) look_at_users(loaded);
  return loaded;
}

int check_command(const std::string& config_file, bool json) {
  return report_check(config_file, wholly_checked(config_file), json);
}

int report_check(const std::string& config_file, const config::Loaded& loaded, bool json) {
  bool good = loaded.diagnostics.empty();
  if (json) {
    Json out = {{"ok", good},
                {"errors", to_json(loaded.diagnostics)},
                {"warnings", to_json(loaded.warnings)}};
    fmt::print("{}\n", out.dump(-1, ' ', false, Json::error_handler_t::replace));
    return good ? kExitOk : kExitConfig;
  }
  for (const config::Diagnostic& d : loaded.diagnostics) fmt::print(stderr, "{}\n", d.text());
  for (const config::Diagnostic& d : loaded.warnings)
    fmt::print(stderr, "{}: warning: {}\n", d.origin.text(), d.message);
  if (good)
    fmt::print("{}: the configuration is good\n", config_file);
  else
    fmt::print(stderr, "{}: {} mistake{}\n", config_file, loaded.diagnostics.size(),
               loaded.diagnostics.size() == 1 ? "" : "s");
  return good ? kExitOk : kExitConfig;
}

}  // namespace postwain::tool
