// The part of an explanation that says by which keys mail is signed as it leaves, or why by none.
// The author is taken to be the sender, since there is no content to look into. Pure.
#pragma once

#include "postwain/explain/explanation.h"

namespace postwain::tool {

// Of out.route. Nothing is said where the configuration has no key that signs.
void add_signing(Explanation& out, const config::Config& config, const smtpd::Client& client,
                 const mail::Address& sender);

}  // namespace postwain::tool
