// Which system calls a process may make (seccomp). For good, for all its threads, and for whatever
// it should manage to execute.
#pragma once

#include <cstdint>

#include "common/base/result.h"

namespace postwain::sandbox {

// What kind of process it is, by what it needs.
enum class Profile : std::uint8_t {
  receiver,   // smtpd: sockets it was given, sockets to qmgr and the DNS; reads a few files
  sender,     // delivery clients: the same, and connections anywhere
  queue,      // qmgr: files and local sockets; no network
  collector,  // pickup: the same, for a folder of its own
  watcher,    // metrics: its own port, reads /proc
  poster,     // reporter: a folder of its own, connections anywhere
  asker,      // filter: connections to ports that are named, and to Unix sockets
  keeper,     // signer: the sockets it has, and none to the network; no file at all
  relay,  // db-link: sockets it was given, connections to ports that are named; reads a few files
  launcher,  // whoever starts programs: everything but what no part of a mail server ever does
};

// Answers io_uring_setup and its kin as a kernel that has none: a ring does what it is asked to
// past every rule of the sandbox. Before the first event loop, for libuv makes its rings with the
// loop.
Status refuse_rings();

// Of all threads, those that exist and those to come. foresee_all: a call that is on no list ends
// the process, instead of failing with EPERM (and being told, where refusals.h has been set up).
// Some calls (execve, ptrace, mount …) end it in any case, but for a launcher. Fails where the
// kernel knows no seccomp.
Status confine_calls(Profile profile, bool foresee_all);

}  // namespace postwain::sandbox
