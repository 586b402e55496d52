#include "postwain/process/programs.h"

#include <cerrno>

#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"

namespace postwain::tool {

Result<std::string> find_programs() {
  char path[4096];
  ssize_t size = ::readlink("/proc/self/exe", path, sizeof path - 1);
  if (size < 0) return system_error("/proc/self/exe", errno);
  std::string own(path, static_cast<std::size_t>(size));
  std::string folder = own.substr(0, own.rfind('/'));
  for (const std::string& candidate :
       {folder, folder.substr(0, folder.rfind('/')) + "/lib/postwain"})
    if (::access((candidate + "/qmgr").c_str(), F_OK) == 0) return candidate;
  return Error{
      fmt::format("the programs qmgr, smtpd … are neither in {} nor in ../lib/postwain", folder),
      ENOENT};
}

}  // namespace postwain::tool
