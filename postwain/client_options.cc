#include "postwain/client_options.h"

#include <cstdio>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/config/client_settings.h"

namespace postwain::tool {

Result<config::Config> client_config(const std::string& config_file) {
  config::Loaded loaded = config::load_client(config_file);
  // An empty hostname: the document could not be read at all.
  if (loaded.config.hostname.empty() && !loaded.diagnostics.empty())
    return Error{loaded.diagnostics.front().text(), kExitConfig};
  return std::move(loaded.config);
}

int fail(int exit_code, const std::string& message) {
  fmt::print(stderr, "postwain: {}\n", message);
  return exit_code;
}

}  // namespace postwain::tool
