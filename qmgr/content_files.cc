#include "qmgr/content_files.h"

#include <cerrno>
#include <vector>

#include "qmgr/failpoint.h"

namespace postwain::qmgr {

namespace {

std::string parent_of(const std::string& path) {
  std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

// Without the second sync a power cut could take the folder away with every file in it. Done at
// each start, since a former one may have been cut between the two.
Status ContentFolder::create() {
  if (Status s = disk_->make_folder(path_); !s && s.error().code != EEXIST) return s;
  return disk_->sync_folder(parent_of(path_));
}

Result<std::string> ContentFolder::read(mail::QueueId id, std::uint64_t offset,
                                        std::size_t length) const {
  return disk_->read(file_of(id), offset, length);
}

Result<UniqueFd> ContentFolder::open(mail::QueueId id, std::uint64_t size) const {
  Result<std::uint64_t> there = disk_->size(file_of(id));
  if (!there) return there.error();
  if (*there != size)
    return Error{file_of(id) + ": has " + std::to_string(*there) + " bytes instead of " +
                     std::to_string(size),
                 EIO};
  return disk_->open(file_of(id));
}

Status ContentFolder::remove(mail::QueueId id) const {
  if (Status s = failpoint(Failpoint::content_remove); !s) return s;
  Status removed = disk_->unlink(file_of(id));
  if (!removed && removed.error().code != ENOENT) return removed;
  return {};
}

Status ContentFolder::share(mail::QueueId id, const std::vector<mail::QueueId>& others) const {
  for (mail::QueueId other : others)
    if (Status s = disk_->link(file_of(id), file_of(other)); !s) return s;
  return disk_->sync_folder(path_);
}

Result<std::size_t> ContentFolder::sweep(
    const std::function<Result<bool>(mail::QueueId)>& known) const {
  Result<std::vector<std::string>> names = disk_->names(path_);
  if (!names) return names.error();
  std::vector<std::string> orphans;
  for (std::string& name : *names) {
    auto id = mail::QueueId::parse(name);
    if (!id && !(name.size() > 5 && name.substr(name.size() - 5) == ".part")) continue;
    if (id) {
      Result<bool> found = known(*id);
      if (!found) return found.error();
      if (*found) continue;
    }
    orphans.push_back(std::move(name));
  }
  for (const std::string& name : orphans) (void)disk_->unlink(path_ + "/" + name);
  return orphans.size();
}

Result<ContentFile> ContentFile::create(const ContentFolder& folder, mail::QueueId id) {
  if (Status s = failpoint(Failpoint::content_create); !s) return s.error();
  std::string name = folder.file_of(id);
  Result<std::unique_ptr<OutputFile>> output = folder.disk().create(name + ".part");
  if (!output) return output.error();
  return ContentFile(folder, std::move(name), output.take());
}

ContentFile::~ContentFile() {
  if (output_) (void)folder_.disk().unlink(part());
}

Status ContentFile::append(std::string_view bytes) {
  if (Status s = failpoint(Failpoint::content_append); !s) return s;
  return output_->append(bytes);
}

Result<UniqueFd> ContentFile::lend() {
  if (Status s = failpoint(Failpoint::content_append); !s) return s.error();
  return output_->lend();
}

Status ContentFile::finish(std::uint64_t size) {
  FileSystem& disk = folder_.disk();
  Result<std::uint64_t> written = output_->size();
  if (!written) return written.error();
  if (*written != size)
    return Error{
        name_ + ": " + std::to_string(*written) + " bytes came instead of " + std::to_string(size),
        EMSGSIZE};
  if (Status s = failpoint(Failpoint::content_sync); !s) return s;
  if (Status s = output_->sync(); !s) return s;
  if (Status s = failpoint(Failpoint::content_link); !s) return s;
  // link, not rename: a file that is there already must not be replaced. It is the same content
  // submitted again, or somebody else's under a repeated id.
  existed_ = false;
  if (Status linked = disk.link(part(), name_); !linked) {
    if (linked.error().code != EEXIST) return linked;
    Result<std::uint64_t> there = disk.size(name_);
    if (!there || *there != size) return linked;
    existed_ = true;
  }
  if (Status s = failpoint(Failpoint::content_unlink_part); !s) return s;
  if (Status s = disk.unlink(part()); !s) return s;
  std::unique_ptr<OutputFile> output = std::move(output_);
  if (Status s = output->close(); !s) return s;
  if (Status s = failpoint(Failpoint::content_sync_folder); !s) return s;
  return disk.sync_folder(folder_.path());
}

}  // namespace postwain::qmgr
