#include "common/sandbox/calls.h"

#include <cerrno>
#include <initializer_list>

#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/file.h"

namespace postwain::sandbox {

namespace {

using Calls = std::initializer_list<int>;

// Any process with an event loop, threads and a heap.
constexpr Calls kBase = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(preadv2),
    SCMP_SYS(pwrite64),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(fcntl),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(pipe2),
    SCMP_SYS(eventfd2),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(membarrier),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getrusage),
    SCMP_SYS(getrlimit),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

constexpr Calls kSockets = {
    SCMP_SYS(connect),    SCMP_SYS(sendto),     SCMP_SYS(sendmsg),     SCMP_SYS(sendmmsg),
    SCMP_SYS(recvfrom),   SCMP_SYS(recvmsg),    SCMP_SYS(recvmmsg),    SCMP_SYS(shutdown),
    SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
};

constexpr Calls kAccepting = {SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(listen)};

// Names and content of files; where, is confine_files()'s matter (files.h).
constexpr Calls kFiles = {
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(creat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    SCMP_SYS(getcwd),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(link),
    SCMP_SYS(linkat),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(syncfs),
    SCMP_SYS(sync_file_range),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(fadvise64),
    SCMP_SYS(flock),
    SCMP_SYS(fchmod),
    SCMP_SYS(chmod),
    SCMP_SYS(fchmodat),
    SCMP_SYS(fchown),
    SCMP_SYS(umask),
    SCMP_SYS(utimensat),
    SCMP_SYS(copy_file_range),
    SCMP_SYS(sendfile),
    SCMP_SYS(msync),
    SCMP_SYS(inotify_init1),
    SCMP_SYS(inotify_add_watch),
    SCMP_SYS(inotify_rm_watch),
};

// No part of a mail server ever does this, nor a program it starts; who tries has been taken over.
// (Keyrings are not among them: programs for tokens may keep Kerberos tickets there.)
constexpr Calls kNever = {
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(bpf),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(move_mount),
    SCMP_SYS(fsopen),
    SCMP_SYS(open_tree),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(acct),
    SCMP_SYS(quotactl),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(syslog),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
};

// Libraries look whether the kernel has these, and do without.
constexpr Calls kUnknownHere = {SCMP_SYS(clone3), SCMP_SYS(io_uring_setup), SCMP_SYS(openat2),
                                SCMP_SYS(memfd_create)};

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

// New threads, but no new processes; signals to ourselves only.
void allow_threads(Filter& filter) {
  filter.allow(SCMP_SYS(clone), {{0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD}});
  auto own = static_cast<std::uint64_t>(::getpid());
  filter.allow(SCMP_SYS(tgkill), {is(0, own)});
  filter.allow(SCMP_SYS(kill), {is(0, own)});
  filter.allow(SCMP_SYS(prctl), {is(0, PR_SET_NAME)});
  filter.allow(SCMP_SYS(prlimit64), {is(0, 0), is(2, 0)});  // looking, not setting
  for (int request : {FIONBIO, FIONREAD, FIOCLEX, TCGETS})
    filter.allow(SCMP_SYS(ioctl), {is(1, static_cast<std::uint64_t>(request))});
}

void allow_sockets(Filter& filter, std::initializer_list<int> families) {
  constexpr std::uint64_t kTypeBits = 0xf;
  for (int family : families)
    for (int type : {SOCK_STREAM, SOCK_DGRAM})
      filter.allow(SCMP_SYS(socket),
                   {is(0, static_cast<std::uint64_t>(family)),
                    {1, SCMP_CMP_MASKED_EQ, kTypeBits, static_cast<std::uint64_t>(type)}});
  filter.allow(SCMP_SYS(socketpair), {is(0, AF_UNIX)});
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

void allow_what_it_needs(Filter& filter, Profile profile) {
  filter.rules(SCMP_ACT_ALLOW, kBase);
  allow_memory(filter);
  allow_threads(filter);
  switch (profile) {
    case Profile::receiver:
      allow_sockets(filter, {AF_UNIX, AF_INET, AF_INET6});
      filter.rules(SCMP_ACT_ALLOW, kAccepting);
      filter.allow(SCMP_SYS(sync_file_range));  // of files that qmgr lends
      allow_reading(filter);
      break;
    case Profile::sender:
      allow_sockets(filter, {AF_UNIX, AF_INET, AF_INET6});
      filter.allow(SCMP_SYS(bind));  // the source address of a route
      // Which addresses are our own; the kernel lets everybody ask that.
      filter.allow(SCMP_SYS(socket), {is(0, AF_NETLINK), is(2, NETLINK_ROUTE)});
      allow_reading(filter);
      break;
    case Profile::queue:
    case Profile::collector:
      allow_sockets(filter, {AF_UNIX});
      filter.rules(SCMP_ACT_ALLOW, kAccepting);
      filter.rules(SCMP_ACT_ALLOW, kFiles);
      break;
    case Profile::poster:
      allow_sockets(filter, {AF_UNIX, AF_INET, AF_INET6});
      filter.allow(SCMP_SYS(bind));  // of sockets to the DNS
      filter.rules(SCMP_ACT_ALLOW, kFiles);
      break;
    case Profile::watcher:
      allow_sockets(filter, {AF_UNIX});
      filter.rules(SCMP_ACT_ALLOW, kAccepting);
      allow_reading(filter);
      break;
    case Profile::launcher:
      break;
  }
}

}  // namespace

Status confine_calls(Profile profile, bool foresee_all) {
  if (profile == Profile::launcher) {
    Filter filter(SCMP_ACT_ALLOW);
    filter.rules(SCMP_ACT_ERRNO(EPERM), kNever);
    return filter.load();
  }
  Filter filter(foresee_all ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM));
  allow_what_it_needs(filter, profile);
  filter.rules(SCMP_ACT_KILL_PROCESS, kNever);
  filter.rules(SCMP_ACT_KILL_PROCESS,
               {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork)});
  filter.rules(SCMP_ACT_ERRNO(ENOSYS), kUnknownHere);
  return filter.load();
}

}  // namespace postwain::sandbox
