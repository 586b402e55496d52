// The JSON of messages in the queue: what `queue list` and `queue show` answer with, and what came
// of a command that acts on messages. The library that writes it is known only in the .cc.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "qmgr/model/message.h"
#include "qmgr/model/wait.h"

namespace postwain::qmgr {

// What a command on the queue met and did.
struct Acted {
  std::size_t matched = 0;  // messages
  std::size_t changed = 0;  // messages
  std::size_t recipients = 0;
  std::size_t recipients_changed = 0;
};
// hindered: recipients that cannot be tried, by why not.
std::string json_acted(const Acted& acted, const std::map<std::string, std::size_t>& hindered = {});
// Not the last word: so many messages were looked at.
std::string json_looked_at(std::size_t messages);
// Not the last word: so many recipients have an attempt that runs, whose end is awaited.
std::string json_waiting(std::size_t recipients);

using IsActive = std::function<bool(mail::QueueId, std::uint32_t index)>;
// What is known in memory only of the rows that are shown.
struct RowView {
  using WaitOf = std::function<std::optional<Wait>(const MessageInfo&, const StoredRecipient&)>;
  RowView(IsActive active, WaitOf wait = nullptr)  // NOLINT(google-explicit-constructor)
      : is_active(std::move(active)), wait_of(std::move(wait)) {}
  IsActive is_active;
  WaitOf wait_of;
  // The node that has the message now, "nobody" between two; null: no nodes share the queue.
  std::function<std::string(mail::QueueId)> node_of = nullptr;
  bool signs = true;  // there is a key; else what is meant to be signed leaves as it is
};
// `queue list`, in as many answers as their size asks for (json_text.h), of which all but the first
// are continued ones. continued: further recipients of the message before; an answer has no more
// than its id and these.
std::vector<std::string> json_listed(const StoredMessage& part, const RowView& view,
                                     bool continued);
// `queue show`: the same with everything we know.
std::vector<std::string> json_shown(const StoredMessage& part, const RowView& view, bool continued);

}  // namespace postwain::qmgr
