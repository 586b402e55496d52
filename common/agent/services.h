// What destinations and connections need from their agent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "common/agent/attempt.h"
#include "common/agent/client_tls.h"
#include "common/agent/host_memory.h"
#include "common/agent/hosts/next_hosts.h"
#include "common/agent/hosts/tls_notes.h"
#include "common/agent/pacing/end_gate.h"
#include "common/config/config_fwd.h"
#include "common/mail/outcome.h"
#include "common/net/loop.h"
#include "common/smtp/syntax/dialect.h"

namespace postwain::agent {

// Where what happened to an attempt goes.
class AttemptSink {
 public:
  virtual ~AttemptSink() = default;
  virtual void settled(Attempt& attempt, std::size_t row, mail::Outcome outcome) = 0;
  // Every recipient is settled and nobody works on it any more. It stays alive until the end of
  // this turn of the loop.
  virtual void finished(Attempt& attempt) = 0;
  // content_arrived() or content_failed() of its connection follows, later, if it still has one.
  virtual void request_content(Attempt& attempt) = 0;
  virtual void load_content(Attempt& attempt) = 0;
  // The file that came is not what the lease said.
  virtual void content_unreadable(Attempt& attempt) = 0;
  // The access token that a command of the configuration prints. refused: the next hop did not take
  // the last one. done comes once, later, unless the number returned is forgotten before.
  using TokenDone = std::function<void(const ipc::Token&)>;
  virtual std::uint64_t request_token(const std::string& command, bool refused, TokenDone done) = 0;
  virtual void forget_token(std::uint64_t request) = 0;
  // Leave to open a connection that is counted (ipc::ConnectionRequest). done comes once, later,
  // with true, or with false when qmgr is lost. What is returned holds the leave, or the place in
  // the line: it is given back, and done does not come any more, when nobody keeps it.
  using LeaveDone = std::function<void(bool given)>;
  virtual std::shared_ptr<void> ask_leave(std::uint64_t owner,
                                          std::vector<ipc::ConnectionBound> bounds,
                                          LeaveDone done) = 0;
};

struct Services {
  net::Loop& loop;
  const config::Config& config;
  const smtp::Dialect& dialect;
  HostFinder& finder;
  AttemptSink& sink;
  ClientTls tls;
  std::size_t connections = 0;  // of all destinations
  std::size_t connections_max;  // of them
  TlsNotes* notes = nullptr;    // null: nobody reports how TLS went
  EndGate gate{loop};           // before ends of data
  HostMemory memory{};
  std::list<Connection*> idle{};  // those nobody uses, the one longest idle first
};

// Settles all open recipients of an attempt that nobody works on: with what was kept of another
// host (Attempt::hold), else with this outcome.
void settle_all(Services& services, Attempt& attempt, const mail::Outcome& outcome);

}  // namespace postwain::agent
