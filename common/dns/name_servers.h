// Which name servers the machine's resolv.conf(5) names, for words: c-ares reads that file itself.
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postwain::dns {

constexpr char kResolvConf[] = "/etc/resolv.conf";
constexpr std::size_t kNameServersShown = 5;

// Of its "nameserver" lines, at most kNameServersShown.
std::vector<std::string> name_servers_of(std::string_view resolv_conf);

}  // namespace postwain::dns
