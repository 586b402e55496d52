#include "postwain/client/client_options.h"

#include <cerrno>
#include <cstdio>

#include <unistd.h>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/config/load/client_settings.h"
#include "postwain/client/client_facts.h"

namespace postwain::tool {

namespace {

// An empty hostname: the document could not be read at all.
bool is_unreadable(const config::Loaded& loaded) {
  return loaded.config.hostname.empty() && !loaded.diagnostics.empty();
}

}  // namespace

Result<config::Config> client_config(const std::string& config_file) {
  config::Loaded loaded = config::load_client(config_file);
  if (!is_unreadable(loaded)) return std::move(loaded.config);
  std::string why = loaded.diagnostics.front().text();
  // A slip in the name of a file must not lead to the server that runs here.
  bool missing = ::access(config_file.c_str(), F_OK) != 0 && errno == ENOENT;
  if (missing && config_file != kDefaultConfig) return Error{why, kExitConfig};
  config::Config config = config::salvage_client(config_file);
  fmt::print(stderr, "postwain: warning: {}; going on with runtime_dir = \"{}\"\n", why,
             config.runtime_dir);
  return config;
}

config::Config sendmail_config(const std::string& config_file) {
  config::Loaded loaded = config::load_client(config_file);
  config::Config config =
      is_unreadable(loaded) ? config::salvage_client(config_file) : std::move(loaded.config);
  read_client_facts(config);
  return config;
}

int fail(int exit_code, const std::string& message) {
  fmt::print(stderr, "postwain: {}\n", message);
  return exit_code;
}

}  // namespace postwain::tool
