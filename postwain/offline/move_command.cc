#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/config/document/database_address.h"

#include "postwain/offline/offline_commands.h"
#include "postwain/offline/store_tool.h"

namespace postwain::tool {

namespace {

constexpr std::string_view kFilePrefix = "file:";
constexpr std::size_t kPasswordFileMax = 4096;

Result<std::string> password_of(const std::string& named) {
  if (named.empty()) return std::string();
  if (!named.starts_with(kFilePrefix))
    return Error{"--from-password is named as \"file:/path\"", kExitUsage};
  std::string path = named.substr(kFilePrefix.size());
  Result<std::string> text = read_small_file(path, kPasswordFileMax);
  if (!text) return Error{text.error().text, kExitNoInput};
  if (auto password = config::database_password(*text)) return *password;
  return Error{path + ": its first line is the password, and has 1 to 1024 characters",
               kExitDataError};
}

// db-link is told by the configuration how to reach a host, and that names the other end.
Status check_source(const std::string& from) {
  std::string why;
  auto address = config::parse_database_address(from, why);
  if (!address || !address->over_network()) return {};
  return Error{
      "--from names a host of the network, and only [queue] store may; on the machine of the "
      "database name the folder of its Unix socket, such as ?host=/run/postgresql",
      kExitUsage};
}

}  // namespace

// The passwords are read with our rights, before they are given up.
int move_command(const ClientOptions& options, const MoveOptions& move) {
  if (move.from.find('\n') != std::string::npos)
    return fail(kExitUsage, "--from: an address is one line");
  if (Status good = check_source(move.from); !good)
    return fail(good.error().code, good.error().text);
  Result<std::string> password = password_of(move.from_password);
  if (!password) return fail(password.error().code, password.error().text);
  return run_store_tool(options, {options.json ? "move-json" : "move", move.from, *password});
}

int take_over_command(const ClientOptions& options) {
  StoreTool tool{"take-over"};
  tool.makes_folders = true;
  return run_store_tool(options, tool);
}

}  // namespace postwain::tool
