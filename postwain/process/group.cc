#include "postwain/process/group.h"

#include <cerrno>
#include <vector>

#include <grp.h>

#include "common/base/text.h"

namespace postwain::tool {

Result<gid_t> group_id(const std::string& name) {
  std::vector<char> buffer(64 << 10);
  group entry{};
  group* found = nullptr;
  int error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  // One with very many members.
  while (error == ERANGE && buffer.size() < (16U << 20)) {
    buffer.resize(buffer.size() * 4);
    error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  }
  if (found == nullptr)
    return Error{"there is no group '" + printable(name) + "'", error != 0 ? error : ENOENT};
  return found->gr_gid;
}

}  // namespace postwain::tool
