// The kinds of peers, one row for each role: which part of qmgr serves it, who may have the role,
// and how it is treated. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/daemon/ipc_connection.h"
#include "common/daemon/peer_users.h"
#include "common/ipc/messages.h"

namespace postwain::qmgr {

// The parts that serve peers (PeerService); the value is the place in Peers::Services.
enum class ServiceName : std::uint8_t {
  intake,    // takes messages
  delivery,  // gives leases
  control,   // obeys operators and the supervisor
  metrics,   // answers with the metrics
  tokens,    // has login tokens made
  results,   // passes on how TLS went, and what DMARC found
  filters,   // links the filter process with each smtpd
  signers,   // links the signer with each process that has mail signed
};
constexpr std::size_t kServices = 8;

constexpr std::size_t kUnreadOfCommands = 1U << 20;  // octets; then nothing more is read from them

struct PeerKind {
  // Who may have the role, besides root and qmgr's own user, who may have all of them.
  enum class Users : std::uint8_t {
    everybody,  // of this machine
    process,    // the user that the supervisor gave to the process of this role
    nobody,
  };

  ipc::Role role;
  ServiceName service;
  Users users = Users::nobody;
  // Members of the groups in [control] viewers may have it, to look only.
  bool for_viewers = false;
  // The peer comes and goes with a command that somebody gives; its coming and going is not logged.
  bool is_command = false;
  std::size_t unread_max = daemon::kUnreadMax;  // octets it has not read; then it is not read from
  // Another service that hears of the connection, after the first, and of its end, before the
  // first. takes: the frames that go to it instead of the first; none: it only sends.
  struct Beside {
    ServiceName service;
    std::optional<ipc::FrameType> takes = {};
  };
  std::span<const Beside> beside = {};

  // Where a frame of this type goes.
  constexpr ServiceName takes(ipc::FrameType type) const {
    for (const Beside& one : beside)
      if (one.takes == type) return one.service;
    return service;
  }
};

// Every role has a row.
const PeerKind& peer_kind(ipc::Role role);

// Whether a peer with this user may have this role.
bool may_have_role(ipc::Role role, std::uint32_t uid, std::uint32_t own_uid,
                   const daemon::PeerUsers& users);
// Whether somebody in these groups may at least look, with commands that change nothing.
bool may_look(ipc::Role role, const std::vector<std::uint32_t>& groups,
              const daemon::Groups& viewers);

}  // namespace postwain::qmgr
