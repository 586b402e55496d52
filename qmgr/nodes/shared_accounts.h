// Limits of accounts that hold over all nodes (qmgr/verdicts/account_limits.h): what this node
// counts is told to the table of paces as soon as no earlier telling is under way, and what comes
// back says what all nodes have counted. No message waits for that. All of it on the loop.
//
// A node alone tells nothing. What it has counted and nobody has heard it tells when another one
// appears. A node that has just begun knows nothing of an account before it has counted a message
// of it: alone it counts anew, as on one machine.
//
// When the database is away each node counts by itself, and tells it behind the next beat that is
// answered.
#pragma once

#include "qmgr/store/beat_service.h"
#include "qmgr/store/keeper_service.h"
#include "qmgr/verdicts/account_limits.h"

namespace postwain::qmgr {

class SharedAccounts {
 public:
  // Both outlive it. Limits tell nobody else.
  SharedAccounts(KeeperService& keeper, AccountLimits& limits);
  ~SharedAccounts();
  SharedAccounts(const SharedAccounts&) = delete;
  SharedAccounts& operator=(const SharedAccounts&) = delete;

  void beat_answered(const BeatAnswer& answer);

 private:
  void tell();

  KeeperService& keeper_;
  AccountLimits& limits_;
  bool shared_ = false;
  bool telling_ = false;
  bool failed_ = false;  // the last time: the next beat that is answered tries again
};

}  // namespace postwain::qmgr
