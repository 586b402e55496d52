// Sessions that end before their time, behind MAIL: by 421, or without a reply. Whose trouble that
// is nobody has said; these tell such ends from others, also when they are read back from the
// queue.
#pragma once

#include "common/mail/outcome.h"

namespace postwain::mail {

// The session ended behind MAIL, by 421 or without a reply: whether for this recipient's sake, the
// sender's or the server's own is not known.
bool is_broken_off(Stage stage, const Reply& reply);

// The session ended at another recipient of the same message, so nothing was said of this one.
// Known by stage and status (a 4.4.0 of ours at RCPT or behind the content).
Reply beside_another();
bool is_beside_another(Stage stage, const Reply& reply);

}  // namespace postwain::mail
