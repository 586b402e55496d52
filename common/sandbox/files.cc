#include "common/sandbox/files.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/file.h"

namespace postwain::sandbox {

namespace {

// Of the kernel's interface, which grew with its versions and is newer than Debian's headers.
struct RulesetAttr {
  std::uint64_t handled_fs = 0;
  std::uint64_t handled_net = 0;
  std::uint64_t scoped = 0;
};
struct [[gnu::packed]] PathBeneath {
  std::uint64_t allowed = 0;
  std::int32_t parent_fd = -1;
};
struct NetPort {
  std::uint64_t allowed = 0;
  std::uint64_t port = 0;
};
constexpr int kRulePathBeneath = 1;
constexpr int kRuleNetPort = 2;
constexpr unsigned kAskVersion = 1;

enum Fs : std::uint64_t {
  kExecute = 1U << 0,
  kWriteFile = 1U << 1,
  kReadFile = 1U << 2,
  kReadDir = 1U << 3,
  kRemoveDir = 1U << 4,
  kRemoveFile = 1U << 5,
  kMakeDir = 1U << 7,
  kMakeReg = 1U << 8,
  kMakeSock = 1U << 9,
  kAllOfFirst = (1U << 13) - 1,
  kRefer = 1U << 13,     // version 2
  kTruncate = 1U << 14,  // version 3
  kIoctlDev = 1U << 15,  // version 5
};
enum Net : std::uint64_t { kBindTcp = 1U << 0, kConnectTcp = 1U << 1 };       // version 4
enum Scope : std::uint64_t { kAbstractSocket = 1U << 0, kSignal = 1U << 1 };  // version 6

constexpr std::uint64_t kReading = kReadFile | kReadDir;
constexpr std::uint64_t kWriting = kReading | kWriteFile | kRemoveDir | kRemoveFile | kMakeDir |
                                   kMakeReg | kMakeSock | kRefer | kTruncate;
constexpr std::uint64_t kOfFiles = kExecute | kReadFile | kWriteFile | kTruncate;

std::uint64_t known_fs(int version) {
  std::uint64_t known = kAllOfFirst;
  if (version >= 2) known |= kRefer;
  if (version >= 3) known |= kTruncate;
  if (version >= 5) known |= kIoctlDev;
  return known;
}

RulesetAttr handled(const Reach& reach, int version) {
  RulesetAttr attr;
  attr.handled_fs = known_fs(version);
  if (version >= 4 && reach.bind_ports) attr.handled_net |= kBindTcp;
  if (version >= 4 && reach.connect_ports) attr.handled_net |= kConnectTcp;
  if (version >= 6) attr.scoped = kAbstractSocket | kSignal;
  return attr;
}

class Ruleset {
 public:
  Ruleset(const Reach& reach, int version) : attr_(handled(reach, version)) {
    fd_ =
        UniqueFd(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attr_, sizeof attr_, 0)));
    if (!fd_) fail("landlock_create_ruleset");
  }

  void allow_path(const std::string& path, std::uint64_t rights) {
    if (!status_) return;
    UniqueFd there(::open(path.c_str(), O_PATH | O_CLOEXEC));
    struct stat info {};
    if (!there || ::fstat(there.get(), &info) != 0) return;
    if (!S_ISDIR(info.st_mode)) rights &= kOfFiles;
    PathBeneath rule{rights & attr_.handled_fs, there.get()};
    if (::syscall(SYS_landlock_add_rule, fd_.get(), kRulePathBeneath, &rule, 0) != 0) fail(path);
  }

  void allow_port(std::uint16_t port, std::uint64_t rights) {
    if (!status_ || (rights & attr_.handled_net) == 0) return;
    NetPort rule{rights, port};
    if (::syscall(SYS_landlock_add_rule, fd_.get(), kRuleNetPort, &rule, 0) != 0)
      fail("landlock_add_rule");
  }

  Status enforce() {
    if (status_ && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("no_new_privs");
    if (status_ && ::syscall(SYS_landlock_restrict_self, fd_.get(), 0) != 0)
      fail("landlock_restrict_self");
    return status_;
  }

 private:
  void fail(const std::string& what) { status_ = system_error(what, errno); }

  RulesetAttr attr_;
  UniqueFd fd_;
  Status status_;
};

}  // namespace

int landlock_version() {
  long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskVersion);
  return version > 0 ? static_cast<int>(version) : 0;
}

Result<int> confine_files(const Reach& reach) {
  int version = landlock_version();
  if (version == 0) return 0;
  Ruleset rules(reach, version);
  for (const std::string& path : reach.read) rules.allow_path(path, kReading);
  for (const std::string& path : reach.write) rules.allow_path(path, kWriting);
  if (reach.connect_ports)
    for (std::uint16_t port : *reach.connect_ports) rules.allow_port(port, kConnectTcp);
  if (reach.bind_ports)
    for (std::uint16_t port : *reach.bind_ports) rules.allow_port(port, kBindTcp);
  if (Status enforced = rules.enforce(); !enforced) return enforced.error();
  return version;
}

}  // namespace postwain::sandbox
