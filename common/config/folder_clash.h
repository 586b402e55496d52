// A folder that a table gives to one process alone ([strangers], [tls_reports], [dmarc_reports]) is
// given to the user of that process. So it must have nothing to do with a folder that others need.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/config/config_fwd.h"
#include "common/config/table/origin.h"

namespace postwain::config {

// The same path in the form in which paths are compared.
using PathForm = std::function<std::string(const std::string& path)>;

// Without "." and "x/..", as far as the text tells: links are not followed, and a relative path
// stays one.
std::string plain_path(const std::string& path);

// One mistake for each such folder that is the same as, inside of, or above the spool (or the place
// its contents lie in), the runtime folder, the drop folder or the folder of an earlier one of
// these tables. It may lie in the folder of the configuration (directory), as a spool may, but be
// neither that folder nor one above it. Two paths that the form leaves relative and absolute are
// taken for different.
std::vector<Diagnostic> folder_clashes(const Config& config, const std::string& directory,
                                       const PathForm& form = plain_path);

}  // namespace postwain::config
