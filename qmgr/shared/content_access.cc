#include "qmgr/shared/content_access.h"

#include <optional>
#include <utility>

#include "common/log/log.h"

namespace postwain::qmgr {

void ContentAccess::open(const WorkingMessage& message, ContentReader::OnOpen done) {
  std::optional<std::string> head;
  if (message.has_content) head = message.content;
  ContentReader(store_, worker_, files_).open(message.info, std::move(head), std::move(done));
}

void ContentAccess::read(const MessageInfo& info, std::uint64_t offset, std::size_t length,
                         ContentReader::OnBytes done) {
  ContentReader(store_, worker_, files_).read(info, offset, length, std::move(done));
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

void ContentAccess::keep_files(bool keep) {
  keep_ = keep;
  if (keep || finished_) return;
  for (mail::QueueId id : std::exchange(kept_, {})) remove(id);
}

void ContentAccess::finish() {
  finished_ = true;
  worker_.finish();
}

}  // namespace postwain::qmgr
