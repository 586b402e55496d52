// Octets as a block of history that another node has written, and as the records in one: reading
// ends within its bounds, and what is found can be told.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/check.h"

#include "qmgr/history/timeline_builder.h"

using namespace postwain;
using namespace postwain::qmgr;

namespace {

void look_for(const std::string& text, std::string_view records) {
  HistoryQuery query{text, {}, 5};
  MessagesMeant meant(query);
  meant.look(records, "a");
  PW_CHECK(meant.ids().size() <= kMeantMost);
  TimelineBuilder builder(meant.ids());
  builder.look(records, "a");
  for (const Timeline& timeline : std::move(builder).timelines(text))
    for (const TimelineRecipient& r : timeline.recipients)
      PW_CHECK(r.events.size() <= kTraceEvents);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view octets(reinterpret_cast<const char*>(data), size);
  std::optional<std::string> records = records_in(octets);
  std::string_view text = records ? std::string_view(*records) : octets.substr(1);
  std::size_t pieces = 0;
  for (std::string_view piece : pieces_of(text)) pieces += piece.size();
  PW_CHECK(pieces <= text.size());
  for (std::uint64_t key : keys_of(text)) {
    PW_CHECK(matches(filter_of({key}), probe_of(key)));
    break;
  }
  look_for("bob@example.org", text);
  look_for("0000000000007", text);
  look_for("<m7@example.com>", text);
  return 0;
}
