#include "qmgr/shared/content_access.h"

#include <optional>
#include <utility>

#include "common/log/log.h"

namespace postwain::qmgr {

void ContentAccess::open(const WorkingMessage& message, ContentReader::OnOpen done) {
  std::optional<std::string> head;
  if (message.has_content) head = message.content;
  ContentReader(store_, worker_, files_, shared_.get())
      .open(message.info, std::move(head), std::move(done));
}

void ContentAccess::read(const MessageInfo& info, std::uint64_t offset, std::size_t length,
                         ContentReader::OnBytes done) {
  ContentReader(store_, worker_, files_, shared_.get()).read(info, offset, length, std::move(done));
}

namespace {

std::vector<mail::QueueId> parts_of(const Submission& submission) {
  std::vector<mail::QueueId> parts;
  for (const NewMessage& part : submission.parts) parts.push_back(part.info.id);
  return parts;
}

}  // namespace

// The parts' files are but copies where the store has the content: without one it is made later.
void ContentAccess::keep(const Submission& submission, std::function<void(StoreStatus)> done) {
  const MessageInfo& info = submission.message.info;
  if (!info.in_file) return done({});
  if (!shared_) return share(submission, std::move(done));
  auto kept = [this, id = info.id, size = info.size_of_file(), parts = parts_of(submission),
               done = std::move(done)](const StoreStatus&) mutable {
    shared_->keep(id, size, std::move(parts), std::move(done));
  };
  share(submission, std::move(kept));
}

// The file of the message becomes that of its parts, too, synced.
void ContentAccess::share(const Submission& submission, std::function<void(StoreStatus)> done) {
  if (submission.parts.empty()) return done({});
  mail::QueueId id = submission.message.info.id;
  worker_.run(id, [id, files = files_, parts = parts_of(submission), done = std::move(done)] {
    StoreStatus status;
    if (Status shared = files.share(id, parts); !shared)
      status = StoreError{StoreError::Kind::refused, shared.error().text};
    return ContentWorker::Completion([done, status] { done(status); });
  });
}

void ContentAccess::release(const Submission& submission, AcceptEnd end) {
  if (!shared_ || !submission.message.info.in_file) return;
  std::vector<mail::QueueId> ids = parts_of(submission);
  ids.insert(ids.begin(), submission.message.info.id);
  shared_->release(std::move(ids), certainly_not_stored(end) || end == AcceptEnd::conflict);
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
  if (shared_) shared_->finish();
}

}  // namespace postwain::qmgr
