// What filters have made of a message, as one that can be accepted in its place. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "qmgr/judging/filter_port.h"

namespace postwain::qmgr {

// A message as it waits, with nothing changed: what is accepted where no filter has anything to
// say.
NewMessage unchanged(const UnjudgedMessage& waiting);

struct JudgedEdits {
  std::optional<NewMessage> message;  // nothing: there is no place for such a header section
  std::vector<std::string> mistakes;  // of filters, for the log
};
// Everything that filters want changed is done; of a notice the header section alone. It may have
// no recipient left.
JudgedEdits edited(const UnjudgedMessage& waiting, Judged judged);

}  // namespace postwain::qmgr
