// A text that tells whether two nodes are configured alike, and in which tables they are not. What
// belongs to a machine counts for nothing: its names, folders, users and certificates, the
// addresses on which it listens, the way to the database, its log, metrics, sandbox and number of
// processes; and comments. Two configurations that say the same in other words differ. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/load/bundle.h"

namespace postwain::qmgr {

// At most 64 characters. Of the configuration's own files, not of those that they name.
std::string config_digest(const config::Loaded& loaded);

// The tables in which two nodes differ, such as "route"; "top of the file" for what stands in front
// of all tables. Empty: in nothing. Nothing at all: one of the texts is not of this form, as that
// of another version.
std::optional<std::vector<std::string_view>> config_difference(std::string_view one,
                                                               std::string_view other);

}  // namespace postwain::qmgr
