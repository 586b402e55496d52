// `postwain run` and `postwain check`.
#pragma once

#include <string>

namespace postwain::tool {

int run_command(const std::string& config_file);
int check_command(const std::string& config_file, bool json);

}  // namespace postwain::tool
