// Which files and TCP ports a process may reach, whatever the rights of its user are (Landlock).
// For good, and for what it should execute. Older kernels enforce less, very old ones nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace postwain::sandbox {

struct Reach {
  // Files, and folders with all that is in them. What does not exist is left out: it cannot be
  // reached, even when it comes to exist.
  std::vector<std::string> read;
  std::vector<std::string> write;  // and read, make and remove
  // TCP only. Absent: any. 0 as a port to listen at or bind to is one that the kernel chooses.
  std::optional<std::vector<std::uint16_t>> connect_ports = std::vector<std::uint16_t>{};
  std::optional<std::vector<std::uint16_t>> bind_ports = std::vector<std::uint16_t>{};
};

// Of the kernel's rules for these (landlock(7)); 0: it has none. TCP ports are guarded from version
// 4 on, abstract Unix sockets and signals from version 6 on.
int landlock_version();

// Of this thread and those it starts: call it before there are others. The version of the kernel's
// rules that hold now (landlock(7)), 0 for none.
Result<int> confine_files(const Reach& reach);

}  // namespace postwain::sandbox
