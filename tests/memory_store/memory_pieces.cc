#include "tests/memory_store/memory_pieces.h"

#include <algorithm>
#include <utility>

namespace postwain::qmgr::test {

StoreStatus MemoryBodies::status() const {
  return failing_ ? StoreStatus(StoreError{*failing_, "told to fail"}) : StoreStatus();
}

StoreResult<bool> MemoryBodies::put(mail::QueueId id, std::uint64_t size, const Source& source) {
  std::string body;
  while (body.size() < size) {
    auto octets = source(std::min<std::size_t>(kPieceOctets, size - body.size()));
    if (!octets || octets->empty()) return false;
    body += *octets;
  }
  std::lock_guard lock(mutex_);
  if (StoreStatus s = status(); !s) return s.error();
  bodies_[id] = std::move(body);
  return true;
}

StoreStatus MemoryBodies::copy(mail::QueueId from, mail::QueueId to) {
  std::lock_guard lock(mutex_);
  if (StoreStatus s = status(); !s) return s;
  if (bodies_.count(from) > 0) bodies_[to] = bodies_[from];
  return {};
}

StoreResult<bool> MemoryBodies::get(mail::QueueId id, std::uint64_t size, const Sink& sink) {
  std::optional<std::string> found = body(id);
  {
    std::lock_guard lock(mutex_);
    ++gets_;
    if (StoreStatus s = status(); !s) return s.error();
  }
  return found && found->size() == size && sink(*found);
}

StoreStatus MemoryBodies::drop(std::span<const mail::QueueId> ids) {
  std::lock_guard lock(mutex_);
  if (StoreStatus s = status(); !s) return s;
  for (mail::QueueId id : ids) bodies_.erase(id);
  return {};
}

std::optional<std::string> MemoryBodies::body(mail::QueueId id) const {
  std::lock_guard lock(mutex_);
  auto found = bodies_.find(id);
  return found == bodies_.end() ? std::nullopt : std::optional(found->second);
}

void MemoryBodies::set(mail::QueueId id, std::string body) {
  std::lock_guard lock(mutex_);
  bodies_[id] = std::move(body);
}

std::vector<std::uint64_t> MemoryBodies::ids() const {
  std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> ids;
  for (const auto& one : bodies_) ids.push_back(one.first.value);
  return ids;
}

void MemoryBodies::fail(std::optional<StoreError::Kind> how) {
  std::lock_guard lock(mutex_);
  failing_ = how;
}

std::size_t MemoryBodies::gets() const {
  std::lock_guard lock(mutex_);
  return gets_;
}

StoreResult<std::vector<bool>> MemoryPieces::whole(std::span<const Body> bodies) {
  std::vector<bool> whole;
  for (const Body& one : bodies) {
    std::optional<std::string> there = state_.bodies->body(one.id);
    whole.push_back(one.size == 0 ? !there || there->empty() : there && there->size() == one.size);
  }
  return whole;
}

// With the commit, or not at all.
StoreStatus MemoryPieces::remove(std::span<const mail::QueueId> ids) {
  state_.leaving.insert(state_.leaving.end(), ids.begin(), ids.end());
  return {};
}

StoreResult<std::string> MemoryPieces::start(mail::QueueId id, std::size_t octets) {
  return state_.bodies->body(id).value_or("").substr(0, octets);
}

StoreResult<ContentPieces::LeftPage> MemoryPieces::left(unsigned bag, mail::QueueId after,
                                                        mail::QueueId last, std::size_t limit) {
  LeftPage page;
  for (std::uint64_t id : state_.bodies->ids()) {
    mail::QueueId one{id};
    if (one.bag() != bag || one.value <= after.value || one.value > last.value) continue;
    page.seen = one;
    if (!state_.has_message(one)) page.ids.push_back(one);
    if (--limit == 0) return page;
  }
  page.seen.reset();
  return page;
}

StoreResult<std::size_t> MemoryPieces::remove_left(mail::QueueId id) {
  if (state_.has_message(id)) return std::size_t{0};
  return state_.bodies->drop({&id, 1}) ? std::size_t{1} : std::size_t{0};
}

}  // namespace postwain::qmgr::test
