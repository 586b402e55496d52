// Which files of the configuration each kind of process gets to see: the private key only smtpd,
// passwords for next hops only qmgr, and so on.
#pragma once

#include "common/base/file.h"
#include "common/config/bundle.h"

namespace postwain::tool {

enum class Kind : std::uint8_t { qmgr, smtpd, smtp_client, lmtp_client, metrics };
std::string_view name_of(Kind kind);  // also the name of the program

config::Bundle bundle_for(Kind kind, const config::Loaded& loaded);

// The bundle in memory that nobody can change any more, to be inherited.
Result<UniqueFd> sealed_bundle(const config::Bundle& bundle);

}  // namespace postwain::tool
