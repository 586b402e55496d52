#include "qmgr/shared/shared_contents.h"

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "common/log/log.h"

#include "qmgr/store/piece_files.h"

namespace postwain::qmgr {

namespace {

constexpr Duration kFetchAgain = std::chrono::milliseconds(200);

StoreError given_up() {
  return {StoreError::Kind::away, "the queue manager ends"};
}

}  // namespace

void SharedContents::keep(mail::QueueId id, std::uint64_t size, std::vector<mail::QueueId> others,
                          std::function<void(StoreStatus)> done) {
  // Two of one id would take each other's pieces for left over.
  if (!under_way_.insert(id).second)
    return done(StoreError{StoreError::Kind::refused, "content of that id is being stored"});
  under_way_.insert(others.begin(), others.end());
  worker_.run(id,
              [this, id, size, others = std::move(others),
               done = std::move(done)]() -> ContentWorker::Completion {
                StoreStatus kept =
                    stopping_ ? given_up() : store_file(*transfers_, files_, id, size);
                for (auto other = others.begin(); kept && other != others.end(); ++other)
                  kept = stopping_ ? given_up() : transfers_->copy(id, *other);
                return [this, id, others, done, kept] {
                  std::vector<mail::QueueId> all = others;
                  all.insert(all.begin(), id);
                  if (!kept) release(std::move(all), true);
                  done(kept);
                };
              });
}

void SharedContents::release(std::vector<mail::QueueId> ids, bool drop) {
  for (mail::QueueId id : ids) under_way_.erase(id);
  if (!drop || ids.empty()) return;
  mail::QueueId first = ids.front();
  worker_.run(first, [this, ids = std::move(ids)]() -> ContentWorker::Completion {
    if (stopping_) return nullptr;
    if (StoreStatus dropped = transfers_->drop(ids); !dropped)
      log::Line(log::Level::info, "pieces_left").kv("error", dropped.error().text);
    return nullptr;
  });
}

void SharedContents::fetch(mail::QueueId id, std::uint64_t size, OnFetched done) {
  std::vector<OnFetched>& waiting = fetching_[id];
  waiting.push_back(std::move(done));
  if (waiting.size() > 1) return;
  worker_.run(id, [this, id, size]() -> ContentWorker::Completion {
    Status status = fetch_now(id, size);
    return [this, id, status] { fetched(id, status); };
  });
}

Status SharedContents::fetch_now(mail::QueueId id, std::uint64_t size) {
  const MonoTime deadline = mono_now() + kFetchPatience;
  for (;;) {
    if (stopping_) return Error{given_up().text, EAGAIN};
    Status made = make_file(*transfers_, files_, id, size);
    if (made || !is_temporary(made.error().code) || mono_now() >= deadline) return made;
    std::this_thread::sleep_for(kFetchAgain);
  }
}

void SharedContents::fetched(mail::QueueId id, const Status& status) {
  auto found = fetching_.find(id);
  if (found == fetching_.end()) return;
  std::vector<OnFetched> waiting = std::move(found->second);
  fetching_.erase(found);
  if (status)
    log::Line(log::Level::info, "content_fetched").kv("id", id.text());
  else
    log::Line(log::Level::warning, "content_not_fetched")
        .kv("id", id.text())
        .kv("error", status.error().text);
  for (OnFetched& done : waiting) done(status);
}

void SharedContents::finish() {
  stopping_ = true;
  worker_.finish();
}

}  // namespace postwain::qmgr
