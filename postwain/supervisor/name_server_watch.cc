#include "postwain/supervisor/name_server_watch.h"

#include <utility>

#include "common/base/file.h"

namespace postwain::tool {

bool NameServerWatch::changed() {
  auto text = read_small_file(path_);
  std::vector<std::string> now;
  if (text) now = dns::name_servers_of(*text);
  return std::exchange(servers_, now) != now;
}

}  // namespace postwain::tool
