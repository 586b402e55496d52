#include "qmgr/entering/early_names.h"

#include <algorithm>
#include <span>
#include <utility>

#include "qmgr/model/unjudged.h"
#include "qmgr/store/decided.h"

namespace postwain::qmgr {

namespace {

// Calls back with the recipients of each destination: they are lent together.
template <class Each>
void for_each_destination(const NewMessage& message, const Each& each) {
  std::vector<std::uint32_t> order(message.recipients.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  auto destination = [&](std::uint32_t i) -> const std::string& {
    return message.recipients[i].destination;
  };
  if (order.size() > 1)
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return destination(a) < destination(b);
    });
  for (std::size_t start = 0, end = 0; start < order.size(); start = end) {
    const std::string& key = destination(order[start]);
    while (end < order.size() && destination(order[end]) == key) ++end;
    if (!is_discarding(key)) each(key, std::span(order).subspan(start, end - start));
  }
}

template <class Each>
void for_each_message(const AcceptRequest& request, const Each& each) {
  each(request.submission.message);
  for (const NewMessage& part : request.submission.parts) each(part);
}

bool may_be_lent(const NewMessage& message) {
  return message.held_for.empty() && !is_unjudged(message) &&
         message.recipients.size() <= kEarlyNamesOfOne;
}

}  // namespace

void EarlyNames::choose(AcceptRequest& request) {
  if (!lending_ || core_.finishing) return;
  for_each_message(request, [&](const NewMessage& message) { choose_in(message, request.named); });
  under_way_ += request.named.size();
}

void EarlyNames::choose_in(const NewMessage& message, std::vector<AttemptName>& named) {
  if (!may_be_lent(message) || message.info.id.is_in(core_.closed_bags)) return;
  if (under_way_ + named.size() + message.recipients.size() > kEarlyNamesMax) return;
  for_each_destination(message, [&](const std::string& key, std::span<const std::uint32_t> who) {
    if (!has_place(message, key)) return;
    ++places_[key].under_way;
    for (std::uint32_t index : who) named.push_back({message.info.id, index});
  });
}

// A destination of which nothing is known gets one at a time.
bool EarlyNames::has_place(const NewMessage& message, const std::string& destination) const {
  auto known = places_.find(destination);
  const Place place = known == places_.end() ? Place{} : known->second;
  const std::optional<DestinationId> id = core_.scheduler.find(destination);
  if (!id) return place.under_way == 0;
  const std::optional<std::uint32_t> free =
      core_.scheduler.free_places(*id, message.info.traffic_class, core_.clock.wall());
  return free && place.under_way < std::max(*free, place.expected);
}

void EarlyNames::ended(const AcceptRequest& request) {
  if (!lending_ && request.named.empty()) return;
  const bool is_stored = request.end == AcceptEnd::stored;
  for_each_message(request, [&](const NewMessage& message) {
    if (!may_be_lent(message)) return;
    Fresh fresh;
    for_each_destination(message, [&](const std::string& key, std::span<const std::uint32_t> who) {
      fresh.destinations.push_back(key);
      const AttemptName first{message.info.id, who.front()};
      if (std::find(request.named.begin(), request.named.end(), first) == request.named.end())
        return;
      give_back(key);
      fresh.named.insert(fresh.named.end(), who.begin(), who.end());
    });
    if (!is_stored || !fresh_.try_emplace(message.info.id, std::move(fresh)).second) return;
    by_age_.emplace_back(core_.clock.mono(), message.info.id);
  });
  under_way_ -= request.named.size();
  if (is_stored) core_.hooks.on_work();
}

// From here on the scheduler knows itself what waits for a place there.
void EarlyNames::give_back(const std::string& destination) {
  auto found = places_.find(destination);
  if (--found->second.under_way == 0 && found->second.expected == 0) places_.erase(found);
}

bool EarlyNames::take(const Pick& pick) {
  auto found = fresh_.find(pick.job.id);
  if (found == fresh_.end()) return false;
  note_lent(found->second, core_.scheduler.key(pick.destination));
  std::size_t were_named = 0;
  for (std::uint32_t index : pick.job.recipients)
    were_named += std::erase(found->second.named, index);
  return were_named == pick.job.recipients.size();
}

void EarlyNames::note_lent(Fresh& fresh, const std::string& destination) {
  if (std::erase(fresh.destinations, destination) == 0) return;
  if (places_.size() > kEarlyPlacesMax)
    std::erase_if(places_, [](const auto& one) { return one.second.under_way == 0; });
  std::uint32_t& expected = places_[destination].expected;
  expected = std::min(expected + 1, kEarlyExpectedMax);
}

void EarlyNames::note_unused(const Fresh& fresh) {
  for (const std::string& destination : fresh.destinations) {
    auto found = places_.find(destination);
    if (found == places_.end()) continue;
    found->second.expected /= 2;
    if (found->second.under_way == 0 && found->second.expected == 0) places_.erase(found);
  }
}

void EarlyNames::end_unused() {
  EndAttempts over;
  const MonoTime before = core_.clock.mono() - kEarlyNameStays;
  for (; !by_age_.empty() && by_age_.front().first <= before; by_age_.pop_front()) {
    auto found = fresh_.find(by_age_.front().second);
    for (std::uint32_t index : found->second.named) over.names.push_back({found->first, index});
    note_unused(found->second);
    fresh_.erase(found);
  }
  if (!over.names.empty() && !core_.finishing) core_.store.write(AttemptFact(std::move(over)));
  if (!by_age_.empty() && !alarm_->active())
    alarm_->start(kEarlyNameStays, [this] { end_unused(); });
}

}  // namespace postwain::qmgr
