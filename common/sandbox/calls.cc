#include "common/sandbox/calls.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <initializer_list>

#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/sandbox/call_lists.h"

namespace postwain::sandbox {

namespace {

class Filter {
 public:
  explicit Filter(std::uint32_t otherwise)
      : otherwise_(otherwise), context_(seccomp_init(otherwise)) {
    if (context_ == nullptr) error_ = ENOMEM;
  }
  ~Filter() { seccomp_release(context_); }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  void rule(std::uint32_t action, int call, std::initializer_list<scmp_arg_cmp> when = {}) {
    if (error_ != 0 || action == otherwise_) return;
    int done = seccomp_rule_add_array(context_, action, call, static_cast<unsigned>(when.size()),
                                      when.begin());
    // Calls that this processor's kernel lacks need no rule.
    if (done < 0 && done != -EDOM) error_ = -done;
  }
  void rules(std::uint32_t action, Calls calls) {
    for (int call : calls) rule(action, call);
  }
  void allow(int call, std::initializer_list<scmp_arg_cmp> when = {}) {
    rule(SCMP_ACT_ALLOW, call, when);
  }
  Status load() {
    // Refused where a thread has a filter of its own: then it would not be of all threads.
    if (error_ == 0) error_ = -seccomp_attr_set(context_, SCMP_FLTATR_CTL_TSYNC, 1);
    if (error_ == 0) error_ = -seccomp_attr_set(context_, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (error_ == 0) error_ = -seccomp_load(context_);
    if (error_ != 0) return system_error("seccomp", error_);
    return {};
  }

 private:
  std::uint32_t otherwise_;
  scmp_filter_ctx context_;
  int error_ = 0;
};

constexpr scmp_arg_cmp is(unsigned place, std::uint64_t value) {
  return {place, SCMP_CMP_EQ, value, 0};
}
constexpr scmp_arg_cmp has_none_of(unsigned place, std::uint64_t bits) {
  return {place, SCMP_CMP_MASKED_EQ, bits, 0};
}

// Memory is never both written and executed, and no more code is loaded.
void allow_memory(Filter& filter) {
  filter.allow(SCMP_SYS(mmap), {has_none_of(2, PROT_EXEC)});
  filter.allow(SCMP_SYS(mprotect), {has_none_of(2, PROT_EXEC)});
}

// Flags of clone(2) that make namespaces; each needs, and gives, rights over something.
constexpr std::initializer_list<std::uint64_t> kNamespaces = {
    CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
    CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};

// New threads, but no new processes; signals to ourselves only.
void allow_threads(Filter& filter) {
  std::uint64_t looked_at = CLONE_THREAD;
  for (std::uint64_t flag : kNamespaces) looked_at |= flag;
  filter.allow(SCMP_SYS(clone), {{0, SCMP_CMP_MASKED_EQ, looked_at, CLONE_THREAD}});
  auto own = static_cast<std::uint64_t>(::getpid());
  filter.allow(SCMP_SYS(tgkill), {is(0, own)});
  filter.allow(SCMP_SYS(kill), {is(0, own)});
  filter.allow(SCMP_SYS(prctl), {is(0, PR_SET_NAME)});
  filter.allow(SCMP_SYS(prctl), {is(0, PR_SET_VMA), is(1, PR_SET_VMA_ANON_NAME)});  // malloc
  filter.allow(SCMP_SYS(prlimit64), {is(0, 0), is(2, 0)});  // looking, not setting
}

// What may be asked of a descriptor: not F_SETOWN, which sends signals to others, nor leases.
void allow_descriptors(Filter& filter) {
  for (int request : {FIONBIO, FIONREAD, FIOCLEX, FIONCLEX, TCGETS})
    filter.allow(SCMP_SYS(ioctl), {is(1, static_cast<std::uint64_t>(request))});
  constexpr int kOfdGetLock = 36;  // F_OFD_GETLK and the two behind it
  for (int command : {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK,
                      F_SETLK, F_SETLKW, kOfdGetLock, kOfdGetLock + 1, kOfdGetLock + 2})
    filter.allow(SCMP_SYS(fcntl), {is(1, static_cast<std::uint64_t>(command))});
}

// TCP and UDP only: no other protocol of the family (MPTCP, SCTP, SMC, UDP-Lite, ICMP), which the
// rules for ports of files.h would not see.
void allow_internet(Filter& filter) {
  constexpr std::uint64_t kTypeBits = 0xf;
  struct Transport {
    std::uint64_t type;
    std::uint64_t protocol;
  };
  for (std::uint64_t family : {AF_INET, AF_INET6})
    for (const Transport& one : {Transport{SOCK_STREAM, 0}, Transport{SOCK_STREAM, IPPROTO_TCP},
                                 Transport{SOCK_DGRAM, 0}, Transport{SOCK_DGRAM, IPPROTO_UDP}})
      filter.allow(
          SCMP_SYS(socket),
          {is(0, family), {1, SCMP_CMP_MASKED_EQ, kTypeBits, one.type}, is(2, one.protocol)});
}

struct Option {
  int level;
  int name;
};
// What sockets are set to, by us, libuv, c-ares and libcurl.
constexpr std::initializer_list<Option> kOptions = {
    {SOL_SOCKET, SO_REUSEADDR},
    {SOL_SOCKET, SO_KEEPALIVE},
    {SOL_SOCKET, SO_LINGER},
    {SOL_SOCKET, SO_SNDBUF},
    {SOL_SOCKET, SO_RCVBUF},
    {SOL_SOCKET, SO_RCVTIMEO},
    {SOL_SOCKET, SO_SNDTIMEO},
    {SOL_SOCKET, SO_REUSEPORT},
    {SOL_SOCKET, SO_PRIORITY},
    {IPPROTO_TCP, TCP_NODELAY},
    {IPPROTO_TCP, TCP_MAXSEG},
    {IPPROTO_TCP, TCP_CORK},
    {IPPROTO_TCP, TCP_KEEPIDLE},
    {IPPROTO_TCP, TCP_KEEPINTVL},
    {IPPROTO_TCP, TCP_KEEPCNT},
    {IPPROTO_TCP, TCP_QUICKACK},
    {IPPROTO_TCP, TCP_CONGESTION},
    {IPPROTO_TCP, TCP_USER_TIMEOUT},
    {IPPROTO_TCP, 25},  // TCP_NOTSENT_LOWAT
    {IPPROTO_IP, IP_TOS},
    {IPPROTO_IP, IP_MTU_DISCOVER},
    {IPPROTO_IP, IP_RECVERR},
    {IPPROTO_IP, 24},  // IP_BIND_ADDRESS_NO_PORT
    {IPPROTO_IPV6, IPV6_V6ONLY},
    {IPPROTO_IPV6, IPV6_TCLASS},
    {IPPROTO_IPV6, IPV6_RECVERR},
    {IPPROTO_IPV6, IPV6_MTU_DISCOVER},
};
// Others that libraries try and do without: fast open connects without connect(2), so past the
// rules for ports, and an upper layer protocol (TCP_ULP) is kernel code for a hostile peer.
constexpr std::initializer_list<Option> kUnknownOptions = {
    {IPPROTO_TCP, 23}, {IPPROTO_TCP, 30}, {IPPROTO_TCP, 31}};  // FASTOPEN, FASTOPEN_CONNECT, ULP

void allow_options(Filter& filter) {
  auto when = [](const Option& option) {
    return std::array{is(1, static_cast<std::uint64_t>(option.level)),
                      is(2, static_cast<std::uint64_t>(option.name))};
  };
  for (const Option& option : kOptions) {
    auto both = when(option);
    filter.allow(SCMP_SYS(setsockopt), {both[0], both[1]});
  }
  for (const Option& option : kUnknownOptions) {
    auto both = when(option);
    filter.rule(SCMP_ACT_ERRNO(ENOPROTOOPT), SCMP_SYS(setsockopt), {both[0], both[1]});
  }
}

// With MSG_FASTOPEN a socket connects while it sends: the same way past the rules for ports.
void allow_sending(Filter& filter) {
  struct Call {
    int number;
    unsigned place_of_flags;
  };
  for (const Call& call :
       {Call{SCMP_SYS(sendto), 3}, Call{SCMP_SYS(sendmsg), 2}, Call{SCMP_SYS(sendmmsg), 3}}) {
    filter.allow(call.number, {has_none_of(call.place_of_flags, MSG_FASTOPEN)});
    filter.rule(SCMP_ACT_ERRNO(EOPNOTSUPP), call.number,
                {{call.place_of_flags, SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, MSG_FASTOPEN}});
  }
}

enum class Sockets : bool { local, internet };

void allow_sockets(Filter& filter, Sockets which) {
  constexpr std::uint64_t kTypeBits = 0xf;
  for (std::uint64_t type : {SOCK_STREAM, SOCK_DGRAM})  // datagrams to the log daemon
    filter.allow(SCMP_SYS(socket),
                 {is(0, AF_UNIX), {1, SCMP_CMP_MASKED_EQ, kTypeBits, type}, is(2, 0)});
  filter.allow(SCMP_SYS(socketpair), {is(0, AF_UNIX), is(2, 0)});
  if (which == Sockets::internet) allow_internet(filter);
  allow_options(filter);
  allow_sending(filter);
  filter.rules(SCMP_ACT_ALLOW, kSockets);
}

// Reading only: /etc/hosts, the time zone, /proc.
void allow_reading(Filter& filter) {
  constexpr std::uint64_t kWriting = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
  filter.allow(SCMP_SYS(open), {has_none_of(1, kWriting)});
  filter.allow(SCMP_SYS(openat), {has_none_of(2, kWriting)});
  for (int call :
       {SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(access), SCMP_SYS(faccessat),
        SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64)})
    filter.allow(call);
}

// Libraries that look for a file (how many processors there are) go on without it.
void refuse_files(Filter& filter) {
  for (int call : {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(stat),
                   SCMP_SYS(lstat), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
                   SCMP_SYS(readlink), SCMP_SYS(readlinkat)})
    filter.rule(SCMP_ACT_ERRNO(EACCES), call);
}

void allow_what_it_needs(Filter& filter, Profile profile) {
  filter.rules(SCMP_ACT_ALLOW, kBase);
  allow_memory(filter);
  allow_threads(filter);
  allow_descriptors(filter);
  switch (profile) {
    case Profile::receiver:
      allow_sockets(filter, Sockets::internet);
      filter.rules(SCMP_ACT_ALLOW, kAccepting);
      filter.allow(SCMP_SYS(sync_file_range));  // of files that qmgr lends
      filter.allow(SCMP_SYS(ftruncate));        // the same, when a filter replaces the body
      allow_reading(filter);
      break;
    case Profile::sender:
      allow_sockets(filter, Sockets::internet);
      filter.allow(SCMP_SYS(bind));  // the source address of a route
      // Which addresses are our own; the kernel lets everybody ask that.
      filter.allow(SCMP_SYS(socket), {is(0, AF_NETLINK), is(2, NETLINK_ROUTE)});
      allow_reading(filter);
      break;
    case Profile::queue:
    case Profile::collector:
      allow_sockets(filter, Sockets::local);
      filter.rules(SCMP_ACT_ALLOW, kAccepting);
      filter.rules(SCMP_ACT_ALLOW, kFiles);
      break;
    case Profile::poster:
      allow_sockets(filter, Sockets::internet);
      filter.allow(SCMP_SYS(bind));  // of sockets to the DNS
      filter.rules(SCMP_ACT_ALLOW, kFiles);
      break;
    case Profile::asker:
      allow_sockets(filter, Sockets::internet);
      allow_reading(filter);
      break;
    case Profile::relay:
      allow_sockets(filter, Sockets::internet);
      filter.rules(SCMP_ACT_ALLOW, kAccepting);
      allow_reading(filter);
      break;
    case Profile::watcher:
      allow_sockets(filter, Sockets::local);
      filter.rules(SCMP_ACT_ALLOW, kAccepting);
      allow_reading(filter);
      break;
    case Profile::keeper:
      allow_sockets(filter, Sockets::local);
      refuse_files(filter);
      break;
    case Profile::launcher:
      break;
  }
}

// Whether somebody hears of calls that are refused (refusals.h).
bool refusals_are_caught() {
  struct sigaction now {};
  return ::sigaction(SIGSYS, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
         now.sa_sigaction != nullptr;
}

// What neither the supervisor nor a program it starts ever does. Programs for tokens may be
// anything else.
Status confine_launcher() {
  Filter filter(SCMP_ACT_ALLOW);
  filter.rules(SCMP_ACT_ERRNO(EPERM), kNever);
  for (std::uint64_t flag : kNamespaces)
    filter.rule(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), {{0, SCMP_CMP_MASKED_EQ, flag, flag}});
  filter.rule(SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3));  // its flags are out of a filter's sight
  filter.rules(SCMP_ACT_ERRNO(ENOSYS), kRings);
  return filter.load();
}

}  // namespace

Status refuse_rings() {
  Filter filter(SCMP_ACT_ALLOW);
  filter.rules(SCMP_ACT_ERRNO(ENOSYS), kRings);
  return filter.load();
}

Status confine_calls(Profile profile, bool foresee_all) {
  if (profile == Profile::launcher) return confine_launcher();
  std::uint32_t fails = refusals_are_caught() ? SCMP_ACT_TRAP : SCMP_ACT_ERRNO(EPERM);
  Filter filter(foresee_all ? SCMP_ACT_KILL_PROCESS : fails);
  allow_what_it_needs(filter, profile);
  filter.rules(SCMP_ACT_KILL_PROCESS, kNever);
  filter.rules(SCMP_ACT_KILL_PROCESS,
               {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork)});
  filter.rules(SCMP_ACT_ERRNO(ENOSYS), kRings);
  filter.rules(SCMP_ACT_ERRNO(ENOSYS), kUnknownHere);
  return filter.load();
}

}  // namespace postwain::sandbox
