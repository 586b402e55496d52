// The reply to a submission whose id stands for another message: the other one is in the queue, or
// on its way there. Whoever gives his own ids can choose another one then, which is safe, since
// nothing of this submission has been stored. Others try again later.
#pragma once

#include "common/mail/reply.h"

namespace postwain::ipc {

inline mail::Reply id_in_use_reply() {
  return {451, {4, 3, 0}, "The queue id is in use, try again later"};
}

}  // namespace postwain::ipc
