#include "common/daemon/peer_users.h"

#include <array>

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::daemon {

namespace {

// Those that are processes with a user of their own; the others are known by being root or us.
constexpr std::array kRoles{ipc::Role::smtpd,   ipc::Role::smtp_client, ipc::Role::lmtp_client,
                            ipc::Role::metrics, ipc::Role::tokens,      ipc::Role::reporter};

}  // namespace

std::string encode(const PeerUsers& users) {
  std::string out;
  for (const auto& [role, uid] : users) out += fmt::format("{} {}\n", ipc::name_of(role), uid);
  return out;
}

PeerUsers decode_peer_users(std::string_view text) {
  PeerUsers out;
  for (std::string_view line : split(text, '\n')) {
    std::size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    auto uid = parse_decimal<std::uint32_t>(line.substr(space + 1));
    for (ipc::Role role : kRoles)
      if (uid && ipc::name_of(role) == line.substr(0, space)) out[role] = *uid;
  }
  return out;
}

}  // namespace postwain::daemon
