#include "qmgr/store/queue_counts.h"

#include <algorithm>

#include "qmgr/model/held_domains.h"

namespace postwain::qmgr {

namespace {

constexpr std::uint32_t kKeysOfALabel = kTrafficClasses * kQueueStates;

}  // namespace

std::string_view name_of(QueueState state) {
  constexpr std::string_view kNames[] = {"queued", "deferred", "held"};
  return kNames[static_cast<std::size_t>(state)];
}

QueueState queue_state(RecipientState state, std::uint32_t attempts) {
  if (state == RecipientState::held) return QueueState::held;
  return attempts > 0 ? QueueState::deferred : QueueState::queued;
}

std::string_view route_label_of(std::string_view destination, std::string& buffer) {
  constexpr std::string_view kMx = "mx:";
  destination = unsplit_key(destination);
  if (destination.substr(0, kMx.size()) != kMx) return destination;
  std::size_t space = destination.find(' ');
  if (space == std::string_view::npos) return "mx";
  buffer.assign("mx").append(destination.substr(space));
  return buffer;
}

std::int64_t Counts::recipients() const {
  std::int64_t sum = 0;
  for (const Group& group : groups) sum += group.recipients;
  return sum;
}

void Counts::add(std::string_view destination, TrafficClass traffic_class, QueueState state) {
  std::string_view label = route_label_of(destination, buffer_);
  for (Group& group : groups)
    if (group.state == state && group.traffic_class == traffic_class &&
        group.route_label == label) {
      ++group.recipients;
      return;
    }
  groups.push_back({std::string(label), traffic_class, state, 1});
}

QueueCounts::CountKey QueueCounts::count_key(std::string_view destination,
                                             TrafficClass traffic_class, QueueState state) {
  buffer_.clear();
  std::string_view label = route_label_of(destination, buffer_);
  if (label.data() != buffer_.data()) buffer_.assign(label);
  auto number = numbers_.find(buffer_);
  if (number == numbers_.end()) {
    bool room = labels_.size() < kRouteLabelsMax || buffer_ == "other";
    if (!room) return count_key("other", traffic_class, state);
    number = numbers_.emplace(buffer_, static_cast<std::uint32_t>(labels_.size())).first;
    labels_.push_back(buffer_);
    at_.resize(labels_.size() * kKeysOfALabel);
  }
  return number->second * kKeysOfALabel +
         static_cast<CountKey>(traffic_class) * static_cast<CountKey>(kQueueStates) +
         static_cast<CountKey>(state);
}

void QueueCounts::change(CountKey count_key, std::int64_t by) {
  at_.at(count_key) += by;
  recipients_ += by;
}

void QueueCounts::counted(mail::QueueId end, const Counts& counts) {
  cursor_ = end;
  messages_ += counts.messages;
  for (const Counts::Group& group : counts.groups)
    change(count_key(group.route_label, group.traffic_class, group.state), group.recipients);
}

std::int64_t QueueCounts::recipients(QueueState state) const {
  std::int64_t sum = 0;
  for (std::size_t i = static_cast<std::size_t>(state); i < at_.size(); i += kQueueStates)
    sum += at_[i];
  return sum;
}

std::vector<Counts::Group> QueueCounts::groups() const {
  std::vector<Counts::Group> out;
  for (std::size_t i = 0; i < at_.size(); ++i) {
    auto count_key = static_cast<CountKey>(i);
    out.push_back({labels_[i / kKeysOfALabel], class_of(count_key),
                   static_cast<QueueState>(count_key % kQueueStates), at_[i]});
  }
  return out;
}

QueueCounts::CountKey count_key_of(QueueCounts& counts, const MessageInfo& info,
                                   const StoredRecipient& row) {
  return counts.count_key(row.destination, info.traffic_class,
                          queue_state(row.state, row.attempts));
}

}  // namespace postwain::qmgr
