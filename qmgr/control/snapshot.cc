#include "qmgr/control/snapshot.h"

#include <cerrno>

#include <unistd.h>

#include "common/base/file.h"

namespace postwain::qmgr {

namespace {

std::string spool_of(Queue& queue) {
  const std::string& content = queue.content().files().path();
  return content.substr(0, content.rfind('/'));
}

// A folder of files and one of folders of files.
Status remove_tree(const std::string& path) {
  FileSystem& disk = FileSystem::real();
  for (const std::string& folder : {path + "/content", path}) {
    Result<std::vector<std::string>> names = disk.names(folder);
    if (!names && names.error().code == ENOENT) continue;
    if (!names) return names.error();
    for (const std::string& name : *names) (void)disk.unlink(folder + "/" + name);
    if (::rmdir(folder.c_str()) != 0) return system_error(folder, errno);
  }
  return {};
}

}  // namespace

// Made, used and destroyed on the store's thread only.
struct Snapshot::Copy {
  std::unique_ptr<StoreCopy> store;
};

Snapshot::Snapshot(Queue& queue) : queue_(queue), folder_(spool_of(queue) + "/snapshot") {}

Snapshot::~Snapshot() = default;

void Snapshot::remove_left_over(const std::string& spool) {
  (void)remove_tree(spool + "/snapshot");
}

void Snapshot::make(Done done) {
  if (done_ || there_) return done(Error{"another backup is under way", EBUSY});
  done_ = std::move(done);
  queue_.content().keep_files(true);
  copy_ = std::make_shared<Copy>();
  queue_.store().read([this, copy = copy_, folder = folder_](QueueStore& store) {
    FileSystem& disk = FileSystem::real();
    auto begun = std::make_shared<Status>(remove_tree(folder));
    if (*begun) *begun = disk.make_folder(folder);
    if (*begun) *begun = disk.make_folder(folder + "/content");
    if (*begun) {
      auto made = store.maintenance().begin_copy(folder + "/queue.db");
      if (made)
        copy->store = made.take();
      else
        *begun = Error{made.error().text, EIO};
    }
    return StoreService::Completion([this, begun] {
      if (!*begun) return end(begun->error());
      copy_pages();
    });
  });
}

void Snapshot::copy_pages() {
  queue_.store().read([this, copy = copy_](QueueStore&) {
    auto last = std::make_shared<StoreResult<bool>>(copy->store->step());
    if (!*last || **last) copy->store.reset();
    return StoreService::Completion([this, last] {
      if (!*last) return end(Error{last->error().text, EIO});
      if (!**last) return copy_pages();
      link_files(0);
    });
  });
}

// Links what is there now: more than the copy knows is harmless, less cannot be.
void Snapshot::link_files(std::size_t first) {
  queue_.content().worker().run(
      [this, first, files = queue_.content().files(), folder = folder_,
       names = first == 0 ? std::vector<std::string>() : std::move(names_)]() mutable {
        FileSystem& disk = FileSystem::real();
        Status status;
        if (first == 0) {
          Result<std::vector<std::string>> all = disk.names(files.path());
          if (all) names = all.take();
          if (!all) status = all.error();
        }
        std::size_t last = std::min(names.size(), first + kBackupFiles);
        for (std::size_t i = first; i < last && status; ++i) {
          if (!mail::QueueId::parse(names[i])) continue;
          status = disk.link(files.path() + "/" + names[i], folder + "/content/" + names[i]);
          // Its message had gone before the copy began; only the file was still to go.
          if (!status && status.error().code == ENOENT) status = {};
        }
        bool all_done = last == names.size();
        if (all_done && status) status = disk.sync_folder(folder + "/content");
        if (all_done && status) status = disk.sync_folder(folder);
        auto rest = std::make_shared<std::vector<std::string>>(std::move(names));
        return ContentWorker::Completion([this, status, all_done, last, rest] {
          if (!status) return end(status.error());
          if (all_done) return end(folder_);
          names_ = std::move(*rest);
          link_files(last);
        });
      });
}

void Snapshot::end(Result<std::string> result) {
  // What is left of the copy belongs to the store's thread.
  queue_.store().read([copy = std::move(copy_)](QueueStore&) mutable -> StoreService::Completion {
    copy.reset();
    return nullptr;
  });
  copy_.reset();
  queue_.content().keep_files(false);
  there_ = result.ok();
  Done done = std::exchange(done_, nullptr);
  if (!there_) release();
  done(std::move(result));
}

void Snapshot::release() {
  there_ = false;
  queue_.content().worker().run([folder = folder_]() -> ContentWorker::Completion {
    (void)remove_tree(folder);
    return nullptr;
  });
}

}  // namespace postwain::qmgr
