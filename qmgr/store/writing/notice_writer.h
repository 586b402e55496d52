// A notice (RFC 3464) as the message that is stored with the change it tells of. Pure.
#pragma once

#include <span>
#include <string_view>

#include "qmgr/model/changes.h"

namespace postwain::qmgr {

// Leaves in the order only recipients whose change was made: a repeated report of an outcome finds
// nobody any more and makes no second bounce. False: nobody is left, and there is no notice.
bool keep_changed(NoticeOrder& order, std::span<const std::uint32_t> changed);

// original_start: the beginning of the content that the notice tells of; notice::bytes_wanted says
// how much of it is quoted.
NewMessage write_notice(const NoticeOrder& order, std::string_view original_start);

}  // namespace postwain::qmgr
