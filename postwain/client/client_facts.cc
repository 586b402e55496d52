#include "postwain/client/client_facts.h"

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/text.h"
#include "common/config/config.h"
#include "common/config/document/values.h"

namespace postwain::tool {

namespace {

constexpr std::size_t kFactsMax = 16U << 10;

std::string path_of(const config::Config& config) {
  return config.runtime_dir + "/client-facts";
}

void apply(std::string_view key, std::string_view value, config::Config& config) {
  bool path = !value.empty() && value.front() == '/';
  if (key == "hostname" && config::is_domain(value)) config.hostname = value;
  if (key == "origin" && config::is_domain(value)) config.addresses.origin = value;
  if (key == "drop_dir" && (path || value.empty())) config.drop_dir = value;
  if (key == "message_size")
    if (auto size = parse_decimal<std::uint64_t>(value); size && *size > 0)
      config.limits.message_size = *size;
}

}  // namespace

std::string encode_client_facts(const config::Config& config) {
  std::string out;
  auto add = [&out](std::string_view key, const std::string& value) {
    if (value.find('\n') == std::string::npos) out += fmt::format("{} {}\n", key, value);
  };
  add("hostname", config.hostname);
  add("origin", config.addresses.origin);
  add("drop_dir", config.drop_dir);
  add("message_size", std::to_string(config.limits.message_size));
  return out;
}

void apply_client_facts(std::string_view text, config::Config& config) {
  for (std::string_view line : split(text, '\n')) {
    std::size_t space = line.find(' ');
    if (space != std::string_view::npos)
      apply(line.substr(0, space), line.substr(space + 1), config);
  }
}

// A new file under the old name: whoever reads it has one or the other whole.
Status write_client_facts(const config::Config& config) {
  std::string path = path_of(config);
  std::string fresh = path + ".new";
  (void)::unlink(fresh.c_str());
  UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!fd || ::fchmod(fd.get(), 0644) != 0) return system_error(fresh, errno);
  if (Status s = write_all(fd.get(), encode_client_facts(config)); !s) return s;
  if (::rename(fresh.c_str(), path.c_str()) != 0) return system_error(path, errno);
  return {};
}

void read_client_facts(config::Config& config) {
  if (auto text = read_small_file(path_of(config), kFactsMax)) apply_client_facts(*text, config);
}

}  // namespace postwain::tool
