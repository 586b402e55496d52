#include "tests/simdisk/files.h"

#include <cerrno>

#include "common/base/file.h"

namespace postwain::simdisk {

namespace {

Status status(const std::string& path, int number) {
  if (number != 0) return system_error(path, number);
  return {};
}

class Output final : public qmgr::OutputFile {
 public:
  Output(Disk& disk, std::string path, Inode inode, bool forget_sync)
      : disk_(disk), path_(std::move(path)), inode_(inode), forget_sync_(forget_sync) {}

  Status append(std::string_view bytes) override {
    Status done = status(path_, disk_.write(inode_, offset_, bytes));
    if (done) offset_ += bytes.size();
    return done;
  }
  Result<UniqueFd> lend() override { return system_error(path_, ENOTSUP); }
  Result<std::uint64_t> size() override { return offset_; }
  Status sync() override { return forget_sync_ ? Status() : status(path_, disk_.sync(inode_)); }
  Status name_as(const std::string& path) override {
    if (Status s = status(path, disk_.link(inode_, path)); !s) return s;
    path_ = path;
    return sync();
  }
  Status close() override { return {}; }

 private:
  Disk& disk_;
  std::string path_;
  Inode inode_;
  bool forget_sync_;
  std::uint64_t offset_ = 0;
};

}  // namespace

Result<std::unique_ptr<qmgr::OutputFile>> Files::create(const std::string& path) {
  Inode inode = 0;
  if (disk_.exists(path)) return system_error(path, EEXIST);
  if (int number = disk_.open(path, true, true, inode); number != 0)
    return system_error(path, number);
  return std::unique_ptr<qmgr::OutputFile>(
      std::make_unique<Output>(disk_, path, inode, forget_sync));
}

Result<std::unique_ptr<qmgr::OutputFile>> Files::create_unnamed(const std::string& folder) {
  if (!unnamed) return system_error(folder, EOPNOTSUPP);
  Inode inode = 0;
  if (int number = disk_.open_unnamed(folder, inode); number != 0)
    return system_error(folder, number);
  return std::unique_ptr<qmgr::OutputFile>(
      std::make_unique<Output>(disk_, folder, inode, forget_sync));
}

Result<std::string> Files::read(const std::string& path, std::uint64_t offset, std::size_t length) {
  Inode inode = 0;
  std::string bytes;
  int number = disk_.open(path, false, false, inode);
  if (number == 0) number = disk_.read(inode, offset, length, bytes);
  if (number != 0) return system_error(path, number);
  return bytes;
}

Result<UniqueFd> Files::open(const std::string& path) {
  return system_error(path, ENOTSUP);
}

Result<std::uint64_t> Files::size(const std::string& path) {
  Inode inode = 0;
  if (int number = disk_.open(path, false, false, inode); number != 0)
    return system_error(path, number);
  return disk_.size(inode).value_or(0);
}

Status Files::link(const std::string& from, const std::string& to) {
  return status(to, disk_.link(from, to));
}

Status Files::unlink(const std::string& path) {
  return status(path, disk_.unlink(path));
}

Status Files::make_folder(const std::string& path) {
  return status(path, disk_.make_folder(path));
}

Status Files::sync_folder(const std::string& path) {
  return forget_folder_sync ? Status() : status(path, disk_.sync_folder(path));
}

Result<std::vector<std::string>> Files::names(const std::string& folder) {
  if (!disk_.exists(folder)) return system_error(folder, ENOENT);
  return disk_.names(folder);
}

}  // namespace postwain::simdisk
