// This process's link to the process `signer`. qmgr makes a connection, and another one when the
// signer has been started anew or qmgr has. New requests go over the newest one whose keys are
// known; what was asked on one before is answered there, so that a change of keys loses nothing.
//
// The signer is not believed more than it has to be: an answer to nothing that was asked, with
// another number of signatures, or with names that are none of the DNS, ends its connection.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/file.h"
#include "common/daemon/signer_connection.h"
#include "common/daemon/signer_port.h"
#include "common/net/loop.h"

namespace postwain::daemon {

// Besides the one of now: those of reloads that followed one another quickly. The oldest goes.
constexpr std::size_t kSignerConnectionsMax = 8;

class SignerLink final : public SignerPort {
 public:
  // on_change: keys() is another list than before, or there is none now. Neither it nor any `done`
  // may destroy this.
  SignerLink(net::Loop& loop, std::function<void()> on_change);
  // Nobody is told any more.
  ~SignerLink() override;
  SignerLink(const SignerLink&) = delete;
  SignerLink& operator=(const SignerLink&) = delete;

  // An end of a connection, from qmgr (ipc::PeerLink).
  void adopt(UniqueFd end);

  const std::vector<ipc::SignerKey>* keys() const override;
  // Stays the same when another signer comes with the same list.
  std::uint64_t generation() const override;
  std::uint64_t sign(std::uint64_t generation, Parts parts, Done done) override;
  void cancel(std::uint64_t request) override;

 private:
  struct Signer {
    std::unique_ptr<SignerConnection> connection;
    std::uint64_t generation = 0;  // of its keys; 0: not known yet
  };
  struct Failed {
    std::uint64_t request;
    Done done;
    std::string why;
  };

  const Signer* current() const;
  SignerConnection* find(std::uint64_t generation) const;
  void keys_came(SignerConnection& connection);
  void lost(SignerConnection& connection, const std::string& why);
  void fail(std::uint64_t request, Done done, std::string why);
  void tell_failed();
  // Those before the current one that are not needed any more.
  void leave_idle();
  void take_out(const SignerConnection& connection, const std::string& why);
  void look_whether_changed();

  net::Loop& loop_;
  std::function<void()> on_change_;
  std::vector<Signer> signers_;                          // the newest one last
  std::vector<std::unique_ptr<SignerConnection>> gone_;  // their code may be on the stack
  std::deque<Failed> failed_;                            // told at the end of the turn
  std::vector<ipc::SignerKey> last_keys_;                // those that came last
  std::uint64_t last_generation_ = 0;                    // of them
  std::uint64_t told_generation_ = 0;                    // on_change knows of it
  std::uint64_t last_request_ = 0;
};

}  // namespace postwain::daemon
