#include "tests/simdisk/sqlite_vfs.h"

#include <atomic>
#include <cerrno>
#include <cstring>

#include <sqlite3.h>

namespace postwain::simdisk {

namespace {

struct File {
  sqlite3_file base;
  Disk* disk;
  Inode inode;
  std::string* new_in_folder;  // null once its name is synced
  std::string* delete_on_close;
};

File& of(sqlite3_file* file) {
  return *reinterpret_cast<File*>(file);
}

Disk& of(sqlite3_vfs* vfs) {
  return *static_cast<Disk*>(vfs->pAppData);
}

int close(sqlite3_file* base) {
  File& file = of(base);
  if (file.delete_on_close != nullptr) file.disk->unlink(*file.delete_on_close);
  delete file.new_in_folder;
  delete file.delete_on_close;
  base->pMethods = nullptr;
  return SQLITE_OK;
}

int read(sqlite3_file* base, void* to, int length, sqlite3_int64 offset) {
  std::string bytes;
  auto wanted = static_cast<std::size_t>(length);
  if (of(base).disk->read(of(base).inode, static_cast<std::uint64_t>(offset), wanted, bytes) != 0)
    return SQLITE_IOERR_READ;
  std::memcpy(to, bytes.data(), bytes.size());
  if (bytes.size() == wanted) return SQLITE_OK;
  std::memset(static_cast<char*>(to) + bytes.size(), 0, wanted - bytes.size());
  return SQLITE_IOERR_SHORT_READ;
}

int write(sqlite3_file* base, const void* from, int length, sqlite3_int64 offset) {
  std::string_view bytes(static_cast<const char*>(from), static_cast<std::size_t>(length));
  switch (of(base).disk->write(of(base).inode, static_cast<std::uint64_t>(offset), bytes)) {
    case 0:
      return SQLITE_OK;
    case ENOSPC:
      return SQLITE_FULL;
    default:
      return SQLITE_IOERR_WRITE;
  }
}

int truncate(sqlite3_file* base, sqlite3_int64 size) {
  int number = of(base).disk->truncate(of(base).inode, static_cast<std::uint64_t>(size));
  return number == 0 ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

int sync(sqlite3_file* base, int) {
  File& file = of(base);
  if (file.disk->sync(file.inode) != 0) return SQLITE_IOERR_FSYNC;
  if (file.new_in_folder == nullptr) return SQLITE_OK;
  (void)file.disk->sync_folder(*file.new_in_folder);
  delete file.new_in_folder;
  file.new_in_folder = nullptr;
  return SQLITE_OK;
}

int file_size(sqlite3_file* base, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(of(base).disk->size(of(base).inode).value_or(0));
  return SQLITE_OK;
}

int lock(sqlite3_file*, int) {
  return SQLITE_OK;
}

int check_lock(sqlite3_file*, int* reserved) {
  *reserved = 0;
  return SQLITE_OK;
}

int control(sqlite3_file*, int, void*) {
  return SQLITE_NOTFOUND;
}

int sector_size(sqlite3_file*) {
  return 4096;
}

int characteristics(sqlite3_file*) {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

const sqlite3_io_methods kMethods = [] {
  sqlite3_io_methods m{};
  m.iVersion = 1;  // no shared memory: the store works without
  m.xClose = close;
  m.xRead = read;
  m.xWrite = write;
  m.xTruncate = truncate;
  m.xSync = sync;
  m.xFileSize = file_size;
  m.xLock = lock;
  m.xUnlock = lock;
  m.xCheckReservedLock = check_lock;
  m.xFileControl = control;
  m.xSectorSize = sector_size;
  m.xDeviceCharacteristics = characteristics;
  return m;
}();

int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* base, int flags, int* out_flags) {
  File& file = of(base);
  base->pMethods = nullptr;
  if (name == nullptr) return SQLITE_CANTOPEN;  // the store keeps what is temporary in memory
  Disk& disk = of(vfs);
  bool is_new = !disk.exists(name);
  Inode inode = 0;
  if (disk.open(name, (flags & SQLITE_OPEN_CREATE) != 0, false, inode) != 0) return SQLITE_CANTOPEN;
  bool journal = (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) != 0;
  file.disk = &disk;
  file.inode = inode;
  file.new_in_folder = is_new && journal ? new std::string(folder_of(name)) : nullptr;
  file.delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0 ? new std::string(name) : nullptr;
  base->pMethods = &kMethods;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int remove(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  int number = of(vfs).unlink(name);
  if (number == ENOENT) return SQLITE_IOERR_DELETE_NOENT;
  if (number != 0) return SQLITE_IOERR_DELETE;
  if (sync_folder != 0 && of(vfs).sync_folder(folder_of(name)) != 0) return SQLITE_IOERR_DIR_FSYNC;
  return SQLITE_OK;
}

// As Unix does it: an empty file does not exist.
int access(sqlite3_vfs* vfs, const char* name, int, int* result) {
  Disk& disk = of(vfs);
  Inode inode = 0;
  *result = disk.exists(name) && disk.open(name, false, false, inode) == 0 &&
            disk.size(inode).value_or(0) > 0;
  return SQLITE_OK;
}

int full_name(sqlite3_vfs*, const char* name, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", name);
  return SQLITE_OK;
}

}  // namespace

SqliteVfs::SqliteVfs(Disk& disk) : vfs_(std::make_unique<sqlite3_vfs>()) {
  static std::atomic<unsigned> count{0};
  name_ = "simdisk-" + std::to_string(++count);
  sqlite3_initialize();
  *vfs_ = *sqlite3_vfs_find(nullptr);  // time, sleep, random numbers
  vfs_->iVersion = 2;
  vfs_->szOsFile = sizeof(File);
  vfs_->pNext = nullptr;
  vfs_->zName = name_.c_str();
  vfs_->pAppData = &disk;
  vfs_->xOpen = open;
  vfs_->xDelete = remove;
  vfs_->xAccess = access;
  vfs_->xFullPathname = full_name;
  sqlite3_vfs_register(vfs_.get(), 0);
}

SqliteVfs::~SqliteVfs() {
  sqlite3_vfs_unregister(vfs_.get());
}

}  // namespace postwain::simdisk
