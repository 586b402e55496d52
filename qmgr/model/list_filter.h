// Which recipients of which messages an operator's command means. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/base/time.h"

#include "qmgr/model/message.h"

namespace postwain::qmgr {

// How a recipient's state is shown; active is known in memory only.
enum class ShownState : std::uint8_t { queued, deferred, held, active };
std::string_view name_of(ShownState state);
std::optional<ShownState> parse_shown_state(std::string_view text);
std::optional<TrafficClass> parse_traffic_class(std::string_view text);
ShownState shown_state(const StoredRecipient& recipient, bool active);

// Empty parts match everything. An address pattern is a whole address, "@domain", or "<>" for the
// null sender; a domain is itself, or with a leading dot all its subdomains. No letter case.
struct ListFilter {
  std::optional<mail::QueueId> id;
  std::optional<ShownState> state;
  std::string domain;
  std::string sender;
  std::string recipient;
  std::optional<Duration> older;
  std::optional<Duration> younger;
  bool in_doubt = false;  // those who may have the message already
  std::string account;    // who has logged in, or the local user
  std::string client;     // the client's address
  std::string route;      // the destination's key
  std::optional<TrafficClass> traffic_class;
  std::optional<std::uint64_t> larger, smaller;  // than so many bytes
  std::uint32_t attempts_min = 0;                // at least so many
  std::string reply;                             // what the last one contains
  // What somebody waits for contains these words (wait.h); known to qmgr's loop only.
  std::string reason;

  bool is_empty() const;
  bool matches(const MessageInfo& info, WallTime now) const;
  // All but the state `active`, which is known in memory only.
  bool matches(const StoredRecipient& recipient) const;

  // For going through very many rows: the same, with nothing but a few columns.
  bool looks_at_recipients() const;
  bool may_match(std::string_view address) const;
  bool may_match(RecipientState row_state, std::uint32_t attempts) const;
  bool looks_at_sender() const { return !sender.empty(); }
  bool may_match_sender(std::string_view reverse_path) const;
};

// The last reply contains these words, whatever their letter case.
bool has_words(const StoredRecipient& recipient, std::string_view words);
bool icontains(std::string_view text, std::string_view words);

// "90s", "2h", "3d", "500ms".
std::optional<Duration> parse_duration(std::string_view text);

}  // namespace postwain::qmgr
