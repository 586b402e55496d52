#include "common/config/load/host_name.h"

#include <netdb.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/text.h"
#include "common/config/document/values.h"

namespace postwain::config {

std::optional<std::string> machine_host_name() {
  char buffer[256] = {};
  if (gethostname(buffer, sizeof buffer - 1) != 0) return std::nullopt;
  std::string name = to_lower(buffer);
  bool qualified = name.find('.') != std::string::npos && is_domain(name);
  if (qualified) return name;
  addrinfo hints{};
  hints.ai_flags = AI_CANONNAME;
  addrinfo* found = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &found) == 0) {
    if (found != nullptr && found->ai_canonname != nullptr) name = to_lower(found->ai_canonname);
    freeaddrinfo(found);
  }
  qualified = name.find('.') != std::string::npos && is_domain(name);
  if (!qualified || name == kNamelessHost) return std::nullopt;
  return name;
}

std::string machine_mail_name() {
  constexpr std::size_t kMax = 4096;
  auto text = read_small_file("/etc/mailname", kMax);
  if (!text) return {};
  std::string name = to_lower(trim(std::string_view(*text).substr(0, text->find('\n'))));
  return name.find('.') != std::string::npos && is_domain(name) ? name : std::string();
}

}  // namespace postwain::config
