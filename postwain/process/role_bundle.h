// Which files of the configuration each kind of process gets to see: the private key only smtpd,
// passwords for next hops only qmgr, and so on.
#pragma once

#include "common/base/file.h"
#include "common/config/load/bundle.h"
#include "postwain/process/kind.h"

namespace postwain::tool {

config::Bundle bundle_for(Kind kind, const config::Loaded& loaded);

// The bundle in memory that nobody can change any more, to be inherited.
Result<UniqueFd> sealed_bundle(const config::Bundle& bundle);

}  // namespace postwain::tool
