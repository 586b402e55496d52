// The JSON of `postwain trace`: the history of a message, joined with what the queue says of it
// now. The library that writes it is known only in the .cc.
#pragma once

#include <optional>
#include <string>

#include "qmgr/control/json/queue_json.h"
#include "qmgr/history/history_store.h"
#include "qmgr/history/recorder.h"

namespace postwain::qmgr {

// One live event, and how many a slow reader has missed.
std::string json_live(const Recorder::Live& live);
std::string json_dropped(std::uint64_t events);

// queued: what is left of the message in the queue; nothing: it has left the queue. owner: the node
// that has it there, where that is another one.
std::string json_trace(const Timeline& timeline, const std::optional<StoredMessage>& queued,
                       const RowView& view, const std::string& owner = {});

// One refused attempt; it has no "id".
std::string json_refused(const RefusedAttempt& refused);

// Of a message the history does not know, but the queue does.
Timeline timeline_of(const StoredMessage& message);

}  // namespace postwain::qmgr
