// What a process that needs signatures sees of the process `signer`: which keys there are, and a
// way to have hashes signed with them. Abstract, so that those who sign mail can be tested without
// a signer; SignerLink (signer_link.h) is the real one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/ipc/signer_messages.h"

namespace postwain::daemon {

class SignerPort {
 public:
  using Parts = std::vector<ipc::SignRequest::Part>;
  // The signatures of the parts, in their order; never empty ones. An error is always a passing
  // trouble: the signer is away, too much is under way, or it has changed its keys. Who gets one
  // looks at keys() again and asks anew, or tries the whole thing later.
  using Done = std::function<void(Result<std::vector<std::string>>)>;

  virtual ~SignerPort() = default;

  // The keys that sign, in an order that stays as long as generation() does. Null: not known now,
  // because the signer cannot be reached; they are told as soon as it can. The list may change
  // whenever the loop runs, so nobody keeps the pointer.
  virtual const std::vector<ipc::SignerKey>* keys() const = 0;
  // Another number for each list that keys() has had; never 0 with a list, and 0 without. Key
  // numbers are places in the list of one generation, and mean nothing in another one.
  virtual std::uint64_t generation() const = 0;

  // Has each hash (ipc::kSignerHash octets) signed by the key whose number stands with it in the
  // list of `generation`. A number is never taken for another list's key: where nobody with that
  // list can be reached any more, done hears an error. (A signer that is about to end after a
  // change of keys may still be.) parts: one at least, ipc::kSignaturesMax at most. done is called
  // once, from the loop, never before sign() has returned, and not after cancel(). Returns a number
  // for cancel(), never 0.
  virtual std::uint64_t sign(std::uint64_t generation, Parts parts, Done done) = 0;
  // Nobody waits for that request any more. Harmless for one that is over.
  virtual void cancel(std::uint64_t request) = 0;
};

}  // namespace postwain::daemon
