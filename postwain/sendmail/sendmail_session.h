// `sendmail -bs`: SMTP on standard input and output, as mail programs speak it with a server they
// start. Whoever may start it may send anywhere, as with sendmail itself; what it accepts is in the
// queue when it says 250.
#pragma once

#include <string>

#include "common/config/config_fwd.h"

namespace postwain::tool {

// Reads until QUIT or the end of the input; a sysexits code.
int serve_standard_input(const config::Config& config, const std::string& account);

}  // namespace postwain::tool
