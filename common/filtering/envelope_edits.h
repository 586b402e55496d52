// What filters have made of an envelope: recipients taken out and added, another sender. Pure.
#pragma once

#include <string>
#include <vector>

#include "common/ipc/filter_messages.h"
#include "common/mail/envelope.h"

namespace postwain::filtering {

struct EnvelopeEdits {
  bool changed = false;
  // What could not be done, for the log: addresses or arguments that are none.
  std::vector<std::string> mistakes;
};

// Takes recipients out first and then adds. One that is taken out is named as it was shown, letter
// case of the domain aside; one that is there already is not added again. Arguments are ESMTP
// parameters (RFC 3461); one that is unknown or wrong is left out, the address stays.
EnvelopeEdits apply_edits(const ipc::FilterResult& result, mail::Envelope& envelope);

}  // namespace postwain::filtering
