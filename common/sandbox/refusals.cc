#include "common/sandbox/refusals.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <seccomp.h>
#include <ucontext.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/text.h"

namespace postwain::sandbox {

namespace {

constexpr std::string_view kMark = "the sandbox refused the system call ";
constexpr std::size_t kCalls = 512;  // numbers below this have a line prepared for them
constexpr std::size_t kNameMax = 32;

// Newer than the names of libseccomp 2.5, from 457 on.
constexpr std::array<const char*, 13> kNewNames = {
    "statmount",      "listmount",    "lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules",
    "mseal",          "setxattrat",   "getxattrat",        "listxattrat",       "removexattrat",
    "open_tree_attr", "file_getattr", "file_setattr"};
constexpr int kFirstNew = 457;

std::string name_of_call(int number) {
  std::unique_ptr<char, decltype(&std::free)> name(
      ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number), &std::free);
  if (name) return name.get();
  if (number >= kFirstNew && number < kFirstNew + static_cast<int>(kNewNames.size()))
    return kNewNames[static_cast<std::size_t>(number - kFirstNew)];
  return std::to_string(number);
}

// What the handler needs stands ready: in it nothing may be allocated.
struct Line {
  std::array<char, kMark.size() + kNameMax + 1> text{};
  std::size_t size = 0;
  std::atomic_flag said = ATOMIC_FLAG_INIT;
};
std::array<Line, kCalls + 1> lines;  // the last is for numbers beyond

void prepare_lines() {
  for (std::size_t i = 0; i <= kCalls; ++i) {
    Line& line = lines[i];
    std::string text(kMark);
    text += i < kCalls ? name_of_call(static_cast<int>(i)) : std::string("(a number beyond all)");
    line.size = text.copy(line.text.data(), line.text.size() - 1);
    line.text[line.size++] = '\n';
  }
}

// The result of the call, as the one who made it will see it. False: this processor is not known.
bool set_result([[maybe_unused]] void* context, [[maybe_unused]] int error) {
#if defined(__x86_64__)
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RAX] = -error;
  return true;
#elif defined(__aarch64__)
  static_cast<ucontext_t*>(context)->uc_mcontext.regs[0] =
      static_cast<unsigned long long>(-static_cast<long long>(error));
  return true;
#else
  return false;
#endif
}

constexpr bool kProcessorKnown =
#if defined(__x86_64__) || defined(__aarch64__)
    true;
#else
    false;
#endif

constexpr int kFromSeccomp = 1;  // SYS_SECCOMP, which libc headers keep to themselves

void on_refusal(int, siginfo_t* info, void* context) {
  if (info->si_code != kFromSeccomp) return;  // somebody sent a signal
  int error_before = errno;
  auto number = static_cast<std::size_t>(info->si_syscall);
  Line& line = lines[number < kCalls ? number : kCalls];
  if (!line.said.test_and_set()) [[maybe_unused]]
    ssize_t written = ::write(STDERR_FILENO, line.text.data(), line.size);
  (void)set_result(context, EPERM);
  errno = error_before;
}

}  // namespace

std::string refusal_line(int call) {
  return std::string(kMark) + name_of_call(call);
}

std::optional<std::string> refused_call(std::string_view line) {
  if (line.substr(0, kMark.size()) != kMark) return std::nullopt;
  return printable(line.substr(kMark.size()), kNameMax);
}

Status report_refusals() {
  if (!kProcessorKnown) return {};
  prepare_lines();
  struct sigaction action {};
  action.sa_sigaction = &on_refusal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset(&action.sa_mask);
  if (::sigaction(SIGSYS, &action, nullptr) != 0) return system_error("sigaction", errno);
  return {};
}

}  // namespace postwain::sandbox
