// The folders the processes work in: made, given to their users, and locked against a second
// supervisor. Files below them are other processes' business.
#pragma once

#include "common/base/file.h"
#include "common/config/config_fwd.h"
#include "postwain/process/identity.h"

namespace postwain::tool {

// The drop folder, where there is to be one, belongs to its collector, and everybody may add to it.
// spool_dir 0700 and runtime_dir 0755 exist and belong to the queue user; the users can reach what
// they need. A closed folder above them is an error for installed users; when the fixed numbers
// serve (a trial run as root, often below a folder only root may enter) the processes keep the
// right to pass, and a warning says so.
Status prepare_folders(const config::Config& config, Identities& identities);

// The folders of [tls_reports] and [dmarc_reports], of their process alone. At each start of that
// one, since a reload may bring them. A folder that is another user's of ours, or has files of
// others, is an error and stays as it is (foreign_folder.h).
Status prepare_tls_reports_folder(const config::Config& config, const Identities& identities);
Status prepare_dmarc_reports_folder(const config::Config& config, const Identities& identities);

// The folder of [strangers], of the filter process alone. At each start of that one; as those.
Status prepare_strangers_folder(const config::Config& config, const Identities& identities);

// Held as long as the descriptor lives. The error names the process that holds it.
Result<UniqueFd> lock_runtime_dir(const std::string& runtime_dir);

}  // namespace postwain::tool
