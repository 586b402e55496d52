#include "qmgr/peers/peer_kinds.h"

#include <algorithm>

namespace postwain::qmgr {

namespace {

using ipc::Role;
using Users = PeerKind::Users;
using Beside = PeerKind::Beside;

constexpr Beside kOfSmtpd[] = {{ServiceName::filters}};
constexpr Beside kOfSmtpClient[] = {{ServiceName::results, ipc::FrameType::tls_results},
                                    {ServiceName::signers}};
constexpr Beside kOfLmtpClient[] = {{ServiceName::results, ipc::FrameType::tls_results}};
constexpr Beside kOfFilter[] = {{ServiceName::results, ipc::FrameType::dmarc_results}};
constexpr Beside kOfReporter[] = {{ServiceName::results, ipc::FrameType::reporter_report}};

// In the order of ipc::Role.
constexpr PeerKind kKinds[] = {
    {.role = Role::smtpd,
     .service = ServiceName::intake,
     .users = Users::process,
     .beside = kOfSmtpd},
    {.role = Role::smtp_client,
     .service = ServiceName::delivery,
     .users = Users::process,
     .beside = kOfSmtpClient},
    {.role = Role::lmtp_client,
     .service = ServiceName::delivery,
     .users = Users::process,
     .beside = kOfLmtpClient},
    {.role = Role::supervisor, .service = ServiceName::control},
    {.role = Role::control,
     .service = ServiceName::control,
     .for_viewers = true,
     .is_command = true,
     .unread_max = kUnreadOfCommands},
    {.role = Role::sendmail,
     .service = ServiceName::intake,
     .users = Users::everybody,
     .is_command = true,
     .unread_max = kUnreadOfCommands},
    {.role = Role::metrics,
     .service = ServiceName::metrics,
     .users = Users::process,
     .unread_max = kUnreadOfCommands},
    {.role = Role::tokens, .service = ServiceName::tokens, .users = Users::process},
    {.role = Role::queue_import,
     .service = ServiceName::intake,
     .is_command = true,
     .unread_max = kUnreadOfCommands},
    {.role = Role::reporter,
     .service = ServiceName::intake,
     .users = Users::process,
     .beside = kOfReporter},
    {.role = Role::pickup,
     .service = ServiceName::intake,
     .users = Users::process,
     .is_command = true,
     .unread_max = kUnreadOfCommands},
    {.role = Role::filter,
     .service = ServiceName::filters,
     .users = Users::process,
     .beside = kOfFilter},
    {.role = Role::signer, .service = ServiceName::signers, .users = Users::process},
};

constexpr bool in_order() {
  std::size_t place = 0;
  for (const PeerKind& kind : kKinds)
    if (static_cast<std::size_t>(kind.role) != place++) return false;
  return place == static_cast<std::size_t>(ipc::kRoleLast) + 1;
}
static_assert(in_order());

}  // namespace

const PeerKind& peer_kind(ipc::Role role) {
  return kKinds[static_cast<std::size_t>(role)];
}

bool may_have_role(ipc::Role role, std::uint32_t uid, std::uint32_t own_uid,
                   const daemon::PeerUsers& users) {
  Users open_to = peer_kind(role).users;
  if (open_to == Users::everybody || uid == 0 || uid == own_uid) return true;
  auto named = users.find(role);
  return open_to == Users::process && named != users.end() && named->second == uid;
}

bool may_look(ipc::Role role, const std::vector<std::uint32_t>& groups,
              const daemon::Groups& viewers) {
  return peer_kind(role).for_viewers && std::any_of(groups.begin(), groups.end(), [&](auto gid) {
           return viewers.count(gid) > 0;
         });
}

}  // namespace postwain::qmgr
