#include "qmgr/shared/content_access.h"

#include <memory>
#include <utility>

#include "common/log/log.h"

#include "qmgr/store/queue_reader.h"

namespace postwain::qmgr {

namespace {

void log_unreadable(mail::QueueId id, const std::string& error) {
  log::Line(log::Level::error, "content_unreadable").kv("id", id.text()).kv("error", error);
}

}  // namespace

void ContentAccess::open(mail::QueueId id, std::uint64_t size,
                         std::function<void(Result<UniqueFd>)> done) {
  worker_.run(id, [files = files_, id, size, done = std::move(done)]() mutable {
    auto file = std::make_shared<Result<UniqueFd>>(files.open(id, size));
    return ContentWorker::Completion([id, file, done = std::move(done)] {
      if (!*file) log_unreadable(id, file->error().text);
      done(std::move(*file));
    });
  });
}

void ContentAccess::read(mail::QueueId id, bool in_file, std::uint64_t offset, std::size_t length,
                         std::function<void(std::optional<std::string>)> done) {
  if (in_file) {
    worker_.run(id, [files = files_, id, offset, length, done]() -> ContentWorker::Completion {
      return [id, done, bytes = files.read(id, offset, length)] {
        if (!bytes) log_unreadable(id, bytes.error().text);
        done(bytes ? std::optional<std::string>(*bytes) : std::nullopt);
      };
    });
    return;
  }
  using Bytes = StoreResult<std::optional<std::string>>;
  read_then(
      store_,
      [id, offset, length](QueueStore& store) {
        return QueueReader(store).content(id, offset, length);
      },
      [id, done](Bytes bytes) {
        if (!bytes) log_unreadable(id, bytes.error().text);
        done(bytes ? bytes.take() : std::nullopt);
      });
}

void ContentAccess::share(mail::QueueId id, std::vector<mail::QueueId> others,
                          std::function<void(const std::string& error)> done) {
  worker_.run(id, [id, files = files_, others = std::move(others), done = std::move(done)] {
    Status shared = files.share(id, others);
    std::string error = shared ? std::string() : shared.error().text;
    return ContentWorker::Completion([done, error] { done(error); });
  });
}

void ContentAccess::remove(mail::QueueId id) {
  if (keep_) return kept_.push_back(id);
  worker_.run(id, [files = files_, id]() -> ContentWorker::Completion {
    if (Status removed = files.remove(id); !removed)
      log::Line(log::Level::warning, "content_left").kv("error", removed.error().text);
    return nullptr;
  });
}

void ContentAccess::keep(bool keep) {
  keep_ = keep;
  if (keep || finished_) return;
  for (mail::QueueId id : std::exchange(kept_, {})) remove(id);
}

void ContentAccess::finish() {
  finished_ = true;
  worker_.finish();
}

}  // namespace postwain::qmgr
