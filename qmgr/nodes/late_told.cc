#include "qmgr/nodes/late_told.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/ipc/messages.h"
#include "common/log/log.h"

#include "qmgr/nodes/told_outcomes.h"

namespace postwain::qmgr {

LateTold::LateTold(net::Loop& loop, Queue& queue, ClusterPort& cluster, Requests& requests)
    : queue_(queue), cluster_(cluster), requests_(requests), looks_(loop) {
  requests.serve(Requests::Kind::late_outcomes,
                 [this](std::uint8_t from, const std::string& data, const Requests::Reply& reply) {
                   reply(hear(from, data));
                 });
}

// --- telling ----------------------------------------------------------------------------------

void LateTold::tell(mail::QueueId id, std::uint32_t index, const mail::Outcome& outcome) {
  if (outcome.disposition == mail::Disposition::deferred || waiting_.size() >= kLateToldMax) return;
  One one;
  one.until = mono_now() + kLateTellFor;
  if (!ipc::append_frame(one.frame, ipc::LateOutcomes{id, {{index, outcome}}, {}})) return;
  if (one.frame.size() + told_beginning().size() > kRequestMax) return;
  waiting_.insert_or_assign(Key{id, index}, std::move(one));
  if (!looks_.active()) looks_.repeat(kLateTellPause, [this] { look(); });
}

// One request for each node at a look.
void LateTold::look() {
  const MonoTime now = mono_now();
  std::erase_if(waiting_, [now](const auto& entry) {
    return !entry.second.sent && now >= entry.second.until;
  });
  if (waiting_.empty()) return looks_.stop();
  struct Parcel {
    std::string data = told_beginning();
    std::vector<Key> keys;
  };
  std::map<std::uint8_t, Parcel> parcels;
  for (auto& [key, one] : waiting_) {
    std::optional<std::uint8_t> owner = one.sent ? std::nullopt : cluster_.owner_of(key.first);
    if (!owner) continue;
    Parcel& parcel = parcels[*owner];
    if (parcel.data.size() + one.frame.size() > kRequestMax) continue;
    parcel.data += one.frame;
    parcel.keys.push_back(key);
    one.sent = true;
  }
  for (const auto& [node, parcel] : parcels) send(node, parcel.data, parcel.keys);
}

// What has come here meanwhile is heard here.
void LateTold::send(std::uint8_t node, const std::string& data, const std::vector<Key>& keys) {
  if (node == cluster_.self()) return told(node, keys, hear(node, data));
  requests_.ask(
      node, Requests::Kind::late_outcomes, data, kLateTellWithin,
      [this, node, keys](const Result<std::string>& answer) { told(node, keys, answer); });
}

// The answer names messages that are not that node's, one a line.
void LateTold::told(std::uint8_t node, const std::vector<Key>& keys,
                    const Result<std::string>& answer) {
  std::set<std::string, std::less<>> elsewhere;
  if (answer)
    for (std::string_view line : split(*answer, '\n')) elsewhere.emplace(line);
  std::size_t done = 0;
  for (const Key& key : keys) {
    auto found = waiting_.find(key);
    if (found == waiting_.end()) continue;
    found->second.sent = false;
    if (!answer || elsewhere.contains(key.first.text())) continue;
    waiting_.erase(found);
    ++done;
  }
  if (done > 0)
    log::Line(log::Level::info, "late_outcomes_told")
        .kv("node", cluster_.name_of(node))
        .kv("outcomes", done);
}

// --- hearing ----------------------------------------------------------------------------------

Result<std::string> LateTold::hear(std::uint8_t from, const std::string& data) {
  if (!queue_.start().complete())
    return Error{cluster_.name_of(cluster_.self()) + " is starting", kExitTempFail};
  Result<ToldOutcomes> told = read_told(data);
  if (!told) return told.error();
  std::string elsewhere;
  std::size_t heard = 0;
  for (auto& [id, outcomes] : *told) {
    if (queue_.bags().is_elsewhere(id)) {
      elsewhere += id.text() + "\n";
      continue;
    }
    heard += outcomes.size();
    queue_.late_outcomes().settle_told(id, std::move(outcomes));
  }
  log::Line(log::Level::info, "late_outcomes_heard")
      .kv("node", cluster_.name_of(from))
      .kv("outcomes", heard);
  return elsewhere;
}

}  // namespace postwain::qmgr
