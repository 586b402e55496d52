#include "common/filtering/filter_link.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"

namespace postwain::filtering {

FilterLink::FilterLink(net::Loop& loop, std::map<std::string, FilterFallback> fallbacks)
    : loop_(loop), fallbacks_(std::move(fallbacks)) {}

FilterLink::~FilterLink() {
  loop_.forget_turn_end(this);
}

void FilterLink::adopt(UniqueFd end) {
  auto stream = net::Stream::adopt(loop_, end.release(), net::Carries::descriptors);
  if (!stream) {
    log::Line(log::Level::error, "filter_link")
        .kv("state", "down")
        .kv("reason", stream.error().text);
    return;
  }
  auto& place = connections_.emplace_back();
  // The place in the vector moves; what it points to does not.
  auto itself = std::make_shared<FilterConnection*>(nullptr);
  place = std::make_unique<FilterConnection>(
      loop_, stream.take(),
      FilterConnection::Callbacks{
          .on_wants = [this, itself](bool first) { wants_changed(**itself, first); },
          .on_lost = [this, itself](const std::string& why) { lost(**itself, why); },
          .on_idle = [this] { leave_idle(); },
      });
  *itself = place.get();
}

FilterFallback FilterLink::fallback(const std::string& listener) const {
  auto found = fallbacks_.find(listener);
  return found == fallbacks_.end() ? FilterFallback::none : found->second;
}

FilterConnection* FilterLink::current() const {
  auto found = std::find_if(connections_.rbegin(), connections_.rend(),
                            [](const auto& one) { return one->up(); });
  return found == connections_.rend() ? nullptr : found->get();
}

void FilterLink::wants_changed(FilterConnection& connection, bool first) {
  if (first) {
    log::Line(log::Level::info, "filter_link")
        .kv("state", "up")
        .kv("listeners", connection.listeners());
    leave_idle();
  }
  if (on_change_) on_change_();
}

void FilterLink::lost(FilterConnection& connection, const std::string& why) {
  bool was_current = &connection == current();
  log::Line(was_current ? log::Level::warning : log::Level::info, "filter_link")
      .kv("state", was_current ? "down" : "replaced")
      .kv("reason", why);
  take_out(connection);
  connection.give_up();
  if (on_change_) on_change_();
}

void FilterLink::leave_idle() {
  FilterConnection* current = this->current();
  std::vector<FilterConnection*> idle;
  for (const auto& one : connections_) {
    if (one.get() == current) break;  // what comes behind it is not up yet
    if (one->is_idle()) idle.push_back(one.get());
  }
  if (current == nullptr) return;
  for (FilterConnection* one : idle) take_out(*one);
}

void FilterLink::take_out(FilterConnection& connection) {
  auto found = std::find_if(connections_.begin(), connections_.end(),
                            [&](const auto& one) { return one.get() == &connection; });
  if (found == connections_.end()) return;
  gone_.push_back(std::move(*found));
  connections_.erase(found);
  loop_.at_turn_end(this, [this] { gone_.clear(); });
}

}  // namespace postwain::filtering
