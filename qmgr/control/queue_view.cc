#include "qmgr/control/queue_view.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "common/base/text.h"

#include "qmgr/model/held_domains.h"
#include "qmgr/model/list_filter.h"
#include "qmgr/model/unjudged.h"

namespace postwain::qmgr {

std::vector<mail::QueueId> QueueView::active_messages() const {
  std::vector<mail::QueueId> ids;
  for (mail::QueueId id : queue_.working().ids())
    if (queue_.operator_actions().has_active(id)) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::string QueueView::destination_of(const mail::Address& recipient,
                                      const MessageInfo& info) const {
  return route_of(recipient, info).key;
}

Routed QueueView::route_of(const mail::Address& recipient, const MessageInfo& info) const {
  return queue_.destinations().route(recipient, info.envelope.reverse_path,
                                     info.arrival.client_address);
}

namespace {

// Which rate of the route may be what it waits for; empty: none bounds it. The one after an outage
// holds beside the usual one, and the slower of them counts.
std::string rates_in_words(const RouteSettings& settings, bool catching_up) {
  std::string out;
  auto add = [&](std::string_view name, std::uint32_t count, Duration period) {
    if (count > 0) out += (out.empty() ? "" : ", ") + rate_in_words(name, count, period);
  };
  add("rate", settings.rate_count, settings.rate_period);
  if (catching_up) add("drain_rate", settings.drain_count, settings.drain_period);
  add("connection_rate", settings.transport.bounds.rate_count,
      settings.transport.bounds.rate_period);
  return out;
}

}  // namespace

std::optional<Wait> QueueView::wait_of(const MessageInfo& info, const StoredRecipient& row,
                                       WallTime now) const {
  if (row.state == RecipientState::held) return std::nullopt;
  if (is_unjudged(row.destination)) {
    if (row.next_attempt_at > now) return std::nullopt;
    Wait wait;
    wait.cause = WaitCause::filters;
    wait.scope = kUnjudged;
    wait.reason = queue_.judging().reason_of(info.id);
    return wait;
  }
  const Routed routed = route_of(row.recipient.address, info);
  const std::string& key = routed.key;
  if (std::optional<Wait> wait = queue_.waits().at(key, now)) return wait;
  if (row.next_attempt_at > now) return std::nullopt;
  Wait wait;
  wait.scope = unsplit_key(key);
  if (std::string why = standstill(); !why.empty()) {
    wait.cause = WaitCause::standstill;
    wait.reason = std::move(why);
    return wait;
  }
  auto id = queue_.scheduler().find(key);
  if (id) wait.running = queue_.scheduler().running(*id);
  if (routed.settings != nullptr)
    wait.reason = rates_in_words(*routed.settings, id && queue_.scheduler().is_catching_up(*id));
  return wait;
}

RowView QueueView::row_view() const {
  RowView out{[this](mail::QueueId id, std::uint32_t index) { return is_active(id, index); },
              [this, now = wall_now()](const MessageInfo& info, const StoredRecipient& row) {
                return wait_of(info, row, now);
              }};
  if (cluster_ != nullptr)
    out.node_of = [this](mail::QueueId id) -> std::string {
      std::optional<std::uint8_t> owner = cluster_->owner_of(id);
      return owner ? cluster_->name_of(*owner) : "nobody";
    };
  out.signs = queue_.config().signs_mail();
  return out;
}

void QueueView::keep_reason(StoredMessage& part, const std::string& words) const {
  if (words.empty()) return;
  WallTime now = wall_now();
  std::erase_if(part.recipients, [&](const StoredRecipient& row) {
    std::optional<Wait> wait = wait_of(part.info, row, now);
    return !(wait && icontains(wait->words(now), words)) && !has_words(row, words);
  });
}

std::vector<DestinationReport> QueueView::destinations(std::size_t limit) const {
  std::vector<DestinationReport> all = queue_.scheduler().report(kListDestinations);
  std::map<std::string, std::uint32_t, std::less<>> held;
  std::erase_if(all, [&](const DestinationReport& one) {
    std::string_view domain = held_domain(one.key);
    if (domain.empty()) return false;
    held[std::string(domain)] += one.queued;
    return true;
  });
  std::erase_if(all, [&](DestinationReport& one) {
    std::string_view domain = domain_of_scope(one.key);
    if (domain.empty()) return false;
    auto queued = held.find(domain);
    if (queued != held.end()) one.queued = queued->second;
    return queue_.suspensions().all().count(one.key) == 0;
  });
  if (all.size() > limit) all.resize(limit);
  for (DestinationReport& one : all) {
    auto id = queue_.scheduler().find(one.key);
    const MxSet* set = id ? queue_.scheduler().mx_set(*id) : nullptr;
    if (one.open || !one.mx_set_open || set == nullptr) continue;
    one.hold_until = set->health.hold_until();
  }
  return all;
}

}  // namespace postwain::qmgr
