#include "qmgr/disk/content_files.h"

#include <cerrno>
#include <random>
#include <vector>

#include <fmt/format.h>

#include "qmgr/disk/failpoint.h"

namespace postwain::qmgr {

namespace {

constexpr std::string_view kPart = ".part";

std::string parent_of(const std::string& path) {
  std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// 128 bits: nobody can name a file that is under way, nor make it first.
std::string random_part() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}{}", random(), random(), random(), random(), kPart);
}

}  // namespace

bool is_temporary(int number) {
  return number == EMFILE || number == ENFILE || number == ENOMEM || number == EAGAIN;
}

// Without the second sync a power cut could take the folder away with every file in it. Done at
// each start, since a former one may have been cut between the two.
Status ContentFolder::create() {
  if (Status s = disk_->make_folder(path_); !s && s.error().code != EEXIST) return s;
  if (Status s = disk_->sync_folder(parent_of(path_)); !s) return s;
  unnamed_ = try_unnamed();
  return {};
}

// The whole way, to the name and away again: file systems can do half of it, and so do containers
// without /proc.
bool ContentFolder::try_unnamed() const {
  auto file = disk_->create_unnamed(path_);
  if (!file) return false;
  std::string name = path_ + "/" + random_part();
  bool named = (*file)->name_as(name).ok();
  return named && disk_->unlink(name).ok();
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
    bool part = name.size() > kPart.size() && name.substr(name.size() - kPart.size()) == kPart;
    if (!id && !part) continue;
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
  std::string part = folder.takes_unnamed() ? std::string() : folder.path() + "/" + random_part();
  Result<std::unique_ptr<OutputFile>> output =
      part.empty() ? folder.disk().create_unnamed(folder.path()) : folder.disk().create(part);
  if (!output) return output.error();
  return ContentFile(folder, folder.file_of(id), std::move(part), output.take());
}

ContentFile::~ContentFile() {
  if (output_ && !part_.empty()) (void)folder_.disk().unlink(part_);
}

// link, not rename: a file that is there already must not be replaced.
Status ContentFile::give_name() {
  if (part_.empty()) return output_->name_as(name_);
  return folder_.disk().link(part_, name_);
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
  // What is there already is the same content submitted again, or somebody else's under a repeated
  // id.
  existed_ = false;
  if (Status linked = give_name(); !linked) {
    if (linked.error().code != EEXIST) return linked;
    Result<std::uint64_t> there = disk.size(name_);
    if (!there || *there != size) return linked;
    existed_ = true;
  }
  if (Status s = failpoint(Failpoint::content_unlink_part); !s) return s;
  if (!part_.empty())
    if (Status s = disk.unlink(part_); !s) return s;
  std::unique_ptr<OutputFile> output = std::move(output_);
  if (Status s = output->close(); !s) return s;
  if (Status s = failpoint(Failpoint::content_sync_folder); !s) return s;
  return disk.sync_folder(folder_.path());
}

}  // namespace postwain::qmgr
