// Hands one message of ours over to qmgr, in one frame or in pieces. Who has handed it over waits
// for a SubmitResult of its id. After the loss of qmgr it is handed over anew, with the same id, so
// that it is stored once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/daemon/qmgr_link.h"

namespace postwain::reporter {

class MailHandover {
 public:
  // content: as Submit has it.
  MailHandover(mail::QueueId id, mail::Envelope envelope, ipc::Arrival arrival,
               std::string content);

  // What may be sent now; stored: octets that qmgr has confirmed (ChunksStored). The link is up.
  void go(daemon::QmgrLink& link, std::uint64_t stored = 0);

 private:
  mail::QueueId id_;
  mail::Envelope envelope_;
  ipc::Arrival arrival_;
  std::string content_;
  std::uint64_t sent_ = 0;
  bool opened_ = false;
  bool ended_ = false;
};

}  // namespace postwain::reporter
