// Octets as what another node of a shared queue says in so many words: an operator's order and its
// result, outcomes that are told late, places that are wanted, and keys and configurations that are
// compared. The first octet says which. What is read is bounded, and says the same when it is
// written and read again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/ipc/messages.h"

#include "qmgr/cluster/config_digest.h"
#include "qmgr/cluster/place_shares.h"
#include "qmgr/control/json/action_json.h"
#include "qmgr/control/json/json_text.h"
#include "qmgr/nodes/told_outcomes.h"
#include "qmgr/store/pace_table.h"
#include "qmgr/store/request_table.h"
#include "qmgr/verdicts/gate.h"

using namespace postwain;
using namespace postwain::qmgr;

namespace {

constexpr std::size_t kWhoMost = 256;
constexpr std::size_t kCutMark = 3;  // "..."

void read_order(const std::string& text) {
  Result<ActionOrder> order = parse_order(text);
  if (!order) return;
  PW_CHECK(order->ids.size() <= kOrderMessages);
  PW_CHECK(std::is_sorted(order->ids.begin(), order->ids.end()));
  PW_CHECK(order->who.size() <= kWhoMost + kCutMark);
  PW_CHECK(order->command.size() <= text.size());
  const std::string written = json_order(*order);
  Result<ActionOrder> again = parse_order(written);
  PW_CHECK(again && again->command == order->command && again->ids == order->ids);
}

bool is_same(const ActionResult& a, const ActionResult& b) {
  return a.acted.matched == b.acted.matched && a.acted.changed == b.acted.changed &&
         a.acted.recipients == b.acted.recipients &&
         a.acted.recipients_changed == b.acted.recipients_changed && a.elsewhere == b.elsewhere;
}

// Whoever reads it may be the next one to say it.
void read_result(const std::string& text) {
  Result<ActionResult> result = parse_result(text);
  if (!result) return;
  PW_CHECK(result->elsewhere.size() <= kOrderMessages);
  PW_CHECK(result->hindered.size() <= kOrderReasons);
  for (const auto& [why, recipients] : result->hindered)
    PW_CHECK(why.size() <= kJsonTextMax + kCutMark);
  const std::string written = json_result(*result);
  PW_CHECK(written.size() <= kAnswerMax);
  Result<ActionResult> again = parse_result(written);
  PW_CHECK(again && is_same(*again, *result));
}

std::string written(const ToldOutcomes& told) {
  std::string out = told_beginning();
  for (const auto& [id, outcomes] : told) {
    ipc::LateOutcomes late{id, {}, {}};
    for (const IndexedOutcome& one : outcomes) late.outcomes.push_back({one.index, one.outcome});
    if (!ipc::append_frame(out, late)) return {};  // many small frames of one message
  }
  return out;
}

void read_late(std::string_view text) {
  const std::string data = told_beginning() + std::string(text);
  Result<ToldOutcomes> told = read_told(data);
  if (!told) return;
  std::size_t outcomes = 0;
  for (const auto& [id, some] : *told) {
    outcomes += some.size();
    for (const IndexedOutcome& one : some) {
      PW_CHECK(!one.outcome.in_doubt && !one.crashed && one.held_for == nullptr);
      PW_CHECK(one.outcome.disposition != mail::Disposition::deferred);
      PW_CHECK(one.outcome.reply.text.size() <= kReplyKept);
      PW_CHECK(one.outcome.remote_host.size() <= kClientNameMax);
    }
  }
  PW_CHECK(outcomes <= data.size());
  const std::string first = written(*told);
  if (first.empty()) return;
  Result<ToldOutcomes> again = read_told(first);
  PW_CHECK(again && written(*again) == first);
  // Of another version nothing is believed.
  std::string other = data;
  other[0] = static_cast<char>(other[0] ^ 1);
  PW_CHECK(!read_told(other));
}

void read_places(std::string_view text) {
  auto wants = cluster::read_wants(text);
  if (!wants) return;
  PW_CHECK(wants->size() <= cluster::kWantsMax);
  PW_CHECK(cluster::wants_text(*wants) == text);
}

// The same name gives the same key at all nodes, and no name a longer one.
void make_keys(std::string_view text) {
  const std::string name(text);
  const std::string place = cluster::place_key(name);
  PW_CHECK(place.size() <= cluster::kPlaceKeyMax && place.starts_with(cluster::kPlaceKeys));
  PW_CHECK(cluster::place_key(name) == place);
  for (std::size_t most : {kPaceKeyMax, std::size_t{64}}) {
    const std::string key = cluster::bounded_key("account:m:", name, most);
    PW_CHECK(key.size() <= most && key.starts_with("account:m:"));
    if (name.size() + 10 <= most) PW_CHECK(key.substr(10) == name);
    // Longer names are told apart by more than their beginnings.
    const std::string longer = name + std::string(most, 'x');
    PW_CHECK(cluster::bounded_key("account:m:", longer + "a", most) !=
             cluster::bounded_key("account:m:", longer + "b", most));
  }
}

void compare_configurations(std::string_view text) {
  config::Loaded loaded;
  loaded.bundle.main_file = "postwain.toml";
  std::string& file = loaded.bundle.files["postwain.toml"];
  file = text;
  const std::string digest = config_digest(loaded);
  PW_CHECK(digest.size() <= 64 && config_difference(digest, digest)->empty());
  // What is behind a header of the text's own is of that table.
  file += "\n]\n[queue]\n# of this machine\nnode = \"mx1\"\n";
  const std::string with_queue = config_digest(loaded);
  file += "  node = \"mx2\"\nstore = \"postgresql:///q\"\n";
  PW_CHECK(config_digest(loaded) == with_queue);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > kRequestMax) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'o':
      read_order(std::string(text));
      break;
    case 'r':
      read_result(std::string(text));
      break;
    case 'l':
      read_late(text);
      break;
    case 'p':
      read_places(text);
      break;
    case 'k':
      make_keys(text);
      break;
    case 'c':
      compare_configurations(text);
      break;
    default:
      break;
  }
  return 0;
}
