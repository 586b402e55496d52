// Which filters are asked about what comes into being on this machine. Pure.
#pragma once

#include "common/config/config.h"
#include "common/ipc/filter_messages.h"

#include "qmgr/model/message.h"

namespace postwain::qmgr {

// As whose session it is played: that of a notice of our own, or that of a local user, who may send
// what looks like one, but never without his account.
inline ipc::FilterKind filter_kind(const MessageInfo& info) {
  bool is_ours = info.kind != MessageKind::mail && info.arrival.account.empty();
  return is_ours ? ipc::FilterKind::notices : ipc::FilterKind::local;
}

// The `on` of some filter names such messages.
bool filters_asked(const config::Config& config, ipc::FilterKind kind);
// What it may take in all until the last of them has spoken.
Duration filters_time(const config::Config& config, ipc::FilterKind kind);

}  // namespace postwain::qmgr
