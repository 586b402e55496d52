// What the table of a filter means for what the filter says. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/table/filter.h"
#include "common/ipc/filter_messages.h"
#include "common/mail/reply.h"

namespace postwain::filter {

// Whether the words of a list `on` (config::Filter) name that listener.
bool names_place(const std::vector<std::string>& on, std::string_view listener,
                 ipc::FilterKind kind);
// What it may do there, and what becomes of the message if it fails: a notice is never refused nor
// kept back, it only gets its signature or does not.
config::FilterRights rights_at(config::FilterRights may, ipc::FilterKind kind);
config::FilterFailure failure_at(config::FilterFailure on_failure, ipc::FilterKind kind);
// Of namespace milter::action: what the filter may ask for at the end of a message.
std::uint32_t milter_actions(config::FilterRights may);
bool allows(config::FilterRights may, ipc::FilterVerdict verdict);

// What the client hears where the filter has failed, 451 4.7.1 or 554 5.7.1, or gave a verdict
// without words. Code 0: nothing, the message goes on.
mail::Reply failure_reply(config::FilterFailure on_failure);
mail::Reply plain_reply(ipc::FilterVerdict verdict);

}  // namespace postwain::filter
