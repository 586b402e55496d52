// A spool that came from another machine, or that root has restored.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "postwain/process/identity.h"

namespace postwain::tool {

// As root: where the spool or its database belongs to somebody else than the queue's user, his
// files in it are given to that user, with the right to read and write them; a warning tells how
// many. Nothing happens where the spool is not there, or is the user's, or where others than root
// may add names beside it: a stranger could have laid it there.
//
// Only files of that one former owner, never through a link, and no deeper than a spool is: whoever
// may write into the folder must not get other files this way.
Status adopt_spool(const std::string& spool, const Identity& owner,
                   std::vector<std::string>& warnings);

}  // namespace postwain::tool
