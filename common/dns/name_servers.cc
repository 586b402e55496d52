#include "common/dns/name_servers.h"

#include "common/base/text.h"

namespace postwain::dns {

std::vector<std::string> name_servers_of(std::string_view resolv_conf) {
  constexpr std::string_view kWord = "nameserver";
  constexpr std::size_t kAddressMax = 100;
  std::vector<std::string> out;
  for (std::string_view line : split(resolv_conf, '\n')) {
    line = trim(line);
    if (line.substr(0, kWord.size()) != kWord || out.size() >= kNameServersShown) continue;
    line.remove_prefix(kWord.size());
    if (line.empty() || (line.front() != ' ' && line.front() != '\t')) continue;
    line = trim(line);
    line = line.substr(0, line.find_first_of(" \t#;"));
    if (!line.empty()) out.push_back(printable(line, kAddressMax));
  }
  return out;
}

}  // namespace postwain::dns
