// TOML text to a Node. The home of toml++ is this one source file, because its headers cost seconds
// to compile.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/config/document/node.h"

namespace postwain::config {

// A document with a syntax error yields an empty table and one diagnostic: where the first error
// stands.
Node read_toml(const std::string& file, std::string_view text,
               std::vector<Diagnostic>& diagnostics);

}  // namespace postwain::config
