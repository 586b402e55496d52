#include "postwain/process/trouble_file.h"

#include <algorithm>
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/text.h"
#include "common/config/config.h"

namespace postwain::tool {

namespace {

constexpr std::size_t kTroublesMax = 16U << 10;

std::string trouble_file(const std::string& runtime_dir) {
  return runtime_dir + "/troubles";
}

}  // namespace

void write_troubles(const config::Config& config, const std::vector<std::string>& texts) {
  std::string path = trouble_file(config.runtime_dir);
  std::string text;
  for (std::string one : texts) {
    std::replace(one.begin(), one.end(), '\n', ' ');
    text += one + "\n";
  }
  if (text.empty()) {
    (void)::unlink(path.c_str());
    return;
  }
  std::string fresh = path + ".new";
  (void)::unlink(fresh.c_str());
  UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!fd || ::fchmod(fd.get(), 0644) != 0 || !write_all(fd.get(), text)) return;
  (void)std::rename(fresh.c_str(), path.c_str());
}

std::string read_troubles(const std::string& runtime_dir) {
  auto text = read_small_file(trouble_file(runtime_dir), kTroublesMax);
  if (!text) return {};
  std::string out;
  for (std::string_view line : split(*text, '\n'))
    if (!line.empty()) out += (out.empty() ? "" : "; ") + printable(line);
  return out;
}

}  // namespace postwain::tool
