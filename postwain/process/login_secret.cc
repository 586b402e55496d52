#include "postwain/process/login_secret.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/file.h"
#include "common/tls/digest.h"

namespace postwain::tool {

namespace {

constexpr std::size_t kSecretOctets = 32;

// Nothing: there is none that may be used. The folder belongs to qmgr, so whatever lies there under
// this name is looked at as another's work.
std::string read_secret(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat facts {};
  if (!file || ::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode) ||
      facts.st_uid != ::geteuid() || (facts.st_mode & 077U) != 0)
    return {};
  auto text = read_small_fd(file.get(), 2 * kSecretOctets + 1);
  if (!text || text->size() != 2 * kSecretOctets + 1 || text->back() != '\n') return {};
  text->pop_back();
  bool digits = text->find_first_not_of("0123456789abcdef") == std::string::npos;
  return digits ? *text : std::string();
}

}  // namespace

Result<std::string> kept_login_secret(const std::string& folder) {
  std::string path = folder + "/login_secret";
  if (std::string kept = read_secret(path); !kept.empty()) return kept;
  std::string octets = tls::random_octets(kSecretOctets);
  std::string text;
  for (unsigned char c : octets) text += fmt::format("{:02x}", c);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return system_error(path, errno);
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return system_error(path, errno);
  if (Status written = write_all(file.get(), text + "\n"); !written) return written.error();
  if (::fsync(file.get()) != 0) return system_error(path, errno);
  if (Status synced = sync_folder(folder); !synced) return synced.error();
  return text;
}

}  // namespace postwain::tool
