// Reads the pages of a walk. What the store alone can decide of a filter is sorted out here, on the
// store's thread; the rest of the filter needs what is in memory (QueueView).
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "qmgr/model/list_filter.h"
#include "qmgr/store/queue_walk.h"

namespace postwain::qmgr {

constexpr std::size_t kWalkMessages = 200;     // of one page
constexpr std::size_t kWalkRecipients = 2000;  // of one page; more of a message is in the next one
constexpr std::size_t kSkimRows = 20000;       // looked at in one go for a page

// Only what the filter means, up to the message `last`; perhaps nothing, although it is not the
// end. only: of these messages, in their order; nothing: of all.
StoreResult<ListPage> read_walk_page(QueueStore& store, ListCursor at, mail::QueueId last,
                                     const std::optional<std::vector<mail::QueueId>>& only,
                                     const ListFilter& filter);

}  // namespace postwain::qmgr
