#include "tests/simdisk/disk.h"

#include <cerrno>

namespace postwain::simdisk {

std::string folder_of(const std::string& path) {
  std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

Disk::Disk(Image image) : first_(std::move(image)), now_(first_) {
  for (const auto& [name, inode] : now_.names) next_ = std::max(next_, inode + 1);
  for (const auto& [inode, bytes] : now_.files) next_ = std::max(next_, inode + 1);
}

void Disk::fail(Fault fault, std::uint64_t k, std::uint64_t times) {
  std::lock_guard lock(mutex_);
  fault_ = fault;
  fault_in_ = k;
  fault_times_ = times;
  failed_ = false;
}

bool Disk::failed() const {
  std::lock_guard lock(mutex_);
  return failed_;
}

void Disk::freeze() {
  std::lock_guard lock(mutex_);
  frozen_ = true;
}

Fault Disk::fault_for(Need need) {
  if (frozen_) return Fault::io_error;
  if (fault_ == Fault::none || (fault_ == Fault::no_space && need != Need::space) ||
      (fault_ == Fault::no_space_at_sync && need != Need::sync))
    return Fault::none;
  if (fault_in_ > 1) {
    --fault_in_;
    return Fault::none;
  }
  if (fault_times_ == 0) return Fault::none;
  --fault_times_;
  failed_ = true;
  return fault_;
}

namespace {
int number_of(Fault fault) {
  return fault == Fault::io_error ? EIO : ENOSPC;
}
}  // namespace

Inode* Disk::find(const std::string& path) {
  auto found = now_.names.find(path);
  return found == now_.names.end() ? nullptr : &found->second;
}

void Disk::note(Entry entry) {
  log_.push_back(std::move(entry));
}

int Disk::open(const std::string& path, bool create, bool truncate, Inode& inode) {
  std::lock_guard lock(mutex_);
  if (Inode* there = find(path)) {
    if (!now_.files.contains(*there)) return EISDIR;
    if (fault_for(Need::nothing) != Fault::none) return EIO;
    inode = *there;
    if (truncate && !now_.files[inode].empty()) {
      now_.files[inode].clear();
      note({Call::truncate, inode, 0, {}});
    }
    return 0;
  }
  if (!create || find(folder_of(path)) == nullptr) return ENOENT;
  if (Fault fault = fault_for(Need::space); fault != Fault::none) return number_of(fault);
  inode = next_++;
  now_.files[inode];
  now_.names[path] = inode;
  note({Call::create, inode, 0, path});
  return 0;
}

int Disk::open_unnamed(const std::string& folder, Inode& inode) {
  std::lock_guard lock(mutex_);
  if (find(folder) == nullptr) return ENOENT;
  if (Fault fault = fault_for(Need::space); fault != Fault::none) return number_of(fault);
  inode = next_++;
  now_.files[inode];
  note({Call::create, inode, 0, {}});
  return 0;
}

int Disk::write(Inode inode, std::uint64_t offset, std::string_view bytes) {
  std::lock_guard lock(mutex_);
  std::string& file = now_.files[inode];
  Fault fault = fault_for(offset + bytes.size() > file.size() ? Need::space : Need::nothing);
  // A write that fails may have written a part.
  if (fault != Fault::none && !frozen_) bytes = bytes.substr(0, random_() % (bytes.size() + 1));
  if (!frozen_ && !bytes.empty()) {
    if (file.size() < offset + bytes.size()) file.resize(offset + bytes.size());
    file.replace(offset, bytes.size(), bytes);
    note({Call::write, inode, offset, std::string(bytes)});
  }
  return fault == Fault::none ? 0 : number_of(fault);
}

int Disk::truncate(Inode inode, std::uint64_t size) {
  std::lock_guard lock(mutex_);
  std::string& file = now_.files[inode];
  if (Fault fault = fault_for(size > file.size() ? Need::space : Need::nothing);
      fault != Fault::none)
    return number_of(fault);
  file.resize(size);
  note({Call::truncate, inode, size, {}});
  return 0;
}

int Disk::sync(Inode inode) {
  std::lock_guard lock(mutex_);
  Fault fault = fault_for(Need::sync);
  if (frozen_) return EIO;
  note({fault == Fault::none ? Call::sync : Call::failed_sync, inode, 0, {}});
  return fault == Fault::none ? 0 : number_of(fault);
}

int Disk::link(const std::string& from, const std::string& to) {
  std::lock_guard lock(mutex_);
  Inode* inode = find(from);
  return inode == nullptr ? ENOENT : give_name(*inode, to);
}

int Disk::link(Inode inode, const std::string& to) {
  std::lock_guard lock(mutex_);
  return give_name(inode, to);
}

int Disk::give_name(Inode inode, const std::string& to) {
  if (find(to) != nullptr) return EEXIST;
  if (Fault fault = fault_for(Need::space); fault != Fault::none) return number_of(fault);
  now_.names[to] = inode;
  note({Call::link, inode, 0, to});
  return 0;
}

// The bytes stay in the image: whoever has the file open may go on with it.
int Disk::unlink(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (find(path) == nullptr) return ENOENT;
  if (fault_for(Need::nothing) != Fault::none) return EIO;
  now_.names.erase(path);
  note({Call::unlink, 0, 0, path});
  return 0;
}

int Disk::make_folder(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (find(path) != nullptr) return EEXIST;
  if (Fault fault = fault_for(Need::space); fault != Fault::none) return number_of(fault);
  now_.names[path] = next_;
  note({Call::make_folder, next_++, 0, path});
  return 0;
}

// A failed one is no entry: the names stay unsynced, as a later sync of the folder would find them.
int Disk::sync_folder(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (Fault fault = fault_for(Need::sync); fault != Fault::none) return number_of(fault);
  note({Call::sync_folder, 0, 0, path});
  return 0;
}

int Disk::read(Inode inode, std::uint64_t offset, std::size_t length, std::string& bytes) {
  std::lock_guard lock(mutex_);
  if (fault_for(Need::nothing) != Fault::none) return EIO;
  const std::string& file = now_.files[inode];
  bytes = offset < file.size() ? file.substr(offset, length) : std::string();
  return 0;
}

std::optional<std::uint64_t> Disk::size(Inode inode) {
  std::lock_guard lock(mutex_);
  auto found = now_.files.find(inode);
  if (found == now_.files.end()) return std::nullopt;
  return found->second.size();
}

bool Disk::exists(const std::string& path) {
  std::lock_guard lock(mutex_);
  return find(path) != nullptr;
}

std::vector<std::string> Disk::names(const std::string& folder) {
  std::lock_guard lock(mutex_);
  std::vector<std::string> found;
  std::string prefix = folder + "/";
  for (auto one = now_.names.lower_bound(prefix);
       one != now_.names.end() && one->first.compare(0, prefix.size(), prefix) == 0; ++one)
    if (one->first.find('/', prefix.size()) == std::string::npos)
      found.push_back(one->first.substr(prefix.size()));
  return found;
}

std::size_t Disk::position() const {
  std::lock_guard lock(mutex_);
  return log_.size();
}

Image Disk::seen() const {
  std::lock_guard lock(mutex_);
  return now_;
}

}  // namespace postwain::simdisk
