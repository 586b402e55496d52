#include "qmgr/shared/content_reader.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "common/log/log.h"

#include "qmgr/store/queue_reader.h"

namespace postwain::qmgr {

namespace {

constexpr const char* kNoHeader = "its header section is not as long as it should be";

void log_unreadable(mail::QueueId id, const std::string& error) {
  log::Line(log::Level::error, "content_unreadable").kv("id", id.text()).kv("error", error);
}

// bytes: a Result of a file or of the store.
template <class Bytes>
std::function<void()> answer_with(mail::QueueId id, ContentReader::OnBytes done, Bytes bytes) {
  return [id, done = std::move(done), bytes = std::move(bytes)] {
    if (!bytes) log_unreadable(id, bytes.error().text);
    done(bytes ? std::optional<std::string>(*bytes) : std::nullopt);
  };
}

}  // namespace

void ContentReader::read(const MessageInfo& info, std::uint64_t offset, std::size_t length,
                         OnBytes done) {
  std::uint64_t stored = info.stored_size();
  if (!info.in_file || offset + length <= stored)
    return read_stored(info.id, offset, length, std::move(done));
  std::uint64_t size = info.size_of_file();
  if (offset >= stored) return read_file(info.id, size, offset - stored, length, std::move(done));
  auto begin = static_cast<std::size_t>(stored - offset);
  read_stored(info.id, offset, begin,
              [self = *this, id = info.id, size, begin, length,
               done = std::move(done)](std::optional<std::string> head) mutable {
                if (head && head->size() != begin) log_unreadable(id, kNoHeader);
                if (!head || head->size() != begin) return done(std::nullopt);
                self.read_file(id, size, 0, length - begin,
                               [head = *std::move(head),
                                done = std::move(done)](const std::optional<std::string>& body) {
                                 done(body ? std::optional(head + *body) : std::nullopt);
                               });
              });
}

void ContentReader::read_stored(mail::QueueId id, std::uint64_t offset, std::size_t length,
                                OnBytes done) {
  using Completion = StoreService::Completion;
  // What cannot be read is held as damaged, so a store that is away must not count as that.
  store_.read_when_there(
      [id, offset, length, done = std::move(done)](QueueStore& store) -> StoreResult<Completion> {
        auto bytes = QueueReader(store).content(id, offset, length);
        if (!bytes && may_work_later(bytes.error())) return bytes.error();
        if (bytes && !*bytes)
          return Completion([id, done] {
            log_unreadable(id, "the store has nothing of it");
            done(std::nullopt);
          });
        if (!bytes)
          return Completion(answer_with(id, done, StoreResult<std::string>(bytes.error())));
        return Completion(answer_with(id, done, StoreResult<std::string>(std::move(**bytes))));
      });
}

void ContentReader::read_file(mail::QueueId id, std::uint64_t size, std::uint64_t offset,
                              std::size_t length, OnBytes done) {
  make_sure(id, size,
            [self = *this, id, size, offset, length,
             done = std::move(done)](const Status& there) mutable {
              // Nobody may take it for lost because the database is away.
              if (!there && is_temporary(there.error().code) && !self.shared_->finished())
                return self.read_file(id, size, offset, length, std::move(done));
              self.worker_.run(id,
                               [files = self.files_, id, offset, length,
                                done = std::move(done)]() -> ContentWorker::Completion {
                                 return answer_with(id, done, files.read(id, offset, length));
                               });
            });
}

// The look at the file and the work with it are two jobs: a file that goes in between is lost.
void ContentReader::make_sure(mail::QueueId id, std::uint64_t size, OnThere done) {
  if (shared_ == nullptr) return done({});
  worker_.run(id,
              [files = files_, shared = shared_, id, size,
               done = std::move(done)]() mutable -> ContentWorker::Completion {
                bool is_there = files.open(id, size).ok();
                return [shared, id, size, is_there, done = std::move(done)]() mutable {
                  if (is_there) return done({});
                  shared->fetch(id, size, std::move(done));
                };
              });
}

void ContentReader::open(const MessageInfo& info, std::optional<std::string> head, OnOpen done) {
  std::uint64_t stored = info.stored_size();
  std::uint64_t size = info.size_of_file();
  if (stored == 0) return open_file(info.id, size, {}, std::move(done));
  if (head) return open_file(info.id, size, *std::move(head), std::move(done));
  read_stored(info.id, 0, static_cast<std::size_t>(stored),
              [self = *this, id = info.id, stored, size,
               done = std::move(done)](std::optional<std::string> found) mutable {
                if (found && found->size() == stored)
                  return self.open_file(id, size, *std::move(found), std::move(done));
                if (found) log_unreadable(id, kNoHeader);
                done(Error{"no header section", EIO});
              });
}

void ContentReader::open_file(mail::QueueId id, std::uint64_t size, std::string head, OnOpen done) {
  make_sure(id, size,
            [self = *this, id, size, head = std::move(head),
             done = std::move(done)](const Status& there) mutable {
              if (!there && is_temporary(there.error().code)) {
                log_unreadable(id, there.error().text);
                return done(there.error());
              }
              self.open_there(id, size, std::move(head), std::move(done));
            });
}

void ContentReader::open_there(mail::QueueId id, std::uint64_t size, std::string head,
                               OnOpen done) {
  worker_.run(id,
              [files = files_, id, size, head = std::move(head),
               done = std::move(done)]() mutable -> ContentWorker::Completion {
                auto file = std::make_shared<Result<UniqueFd>>(files.open(id, size));
                return [id, file, head = std::move(head), done = std::move(done)]() mutable {
                  if (*file) return done(OpenContent{std::move(head), file->take()});
                  log_unreadable(id, file->error().text);
                  done(file->error());
                };
              });
}

}  // namespace postwain::qmgr
