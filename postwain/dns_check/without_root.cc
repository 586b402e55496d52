#include "postwain/dns_check/without_root.h"

#include <cerrno>

#include <unistd.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/config/config.h"
#include "postwain/process/identity.h"

namespace postwain::tool {

Status go_on_without_root(const config::Config& config) {
  if (::geteuid() != 0) return {};
  auto who = identity_of(Kind::smtp_client, config.users);
  if (!who) return Error{who.error().text, kExitConfig};
  if (assume(*who)) return {};
  return Error{"root's rights cannot be given up: " + system_error("setuid", errno).text,
               kExitOsError};
}

}  // namespace postwain::tool
