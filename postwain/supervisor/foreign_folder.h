// Whether a folder can be given to one of our users without taking it, or what is in it, from
// somebody else.
#pragma once

#include <string>

#include "common/base/result.h"
#include "postwain/process/identity.h"
#include "postwain/process/kind.h"

namespace postwain::tool {

// A folder that is not there, or is owner's already, may be his. Another one belongs neither to
// another user of ours nor to a number that has stood for one (identity.h), and has nothing in it
// but what is owner's or belongs to the number that has stood for this kind. Otherwise the error
// says what is in the way. Nothing is changed.
Status check_may_own(const std::string& folder, Kind kind, const Identities& identities);

}  // namespace postwain::tool
