// A Disk as SQLite's file layer, under a name of its own. It does what SQLite's layer for Unix
// does: the first sync of a new journal or log also syncs its folder, and the result of that one is
// ignored; a deletion syncs the folder when SQLite asks for it. Locks are granted.
#pragma once

#include <memory>
#include <string>

#include "tests/simdisk/disk.h"

struct sqlite3_vfs;

namespace postwain::simdisk {

class SqliteVfs {
 public:
  explicit SqliteVfs(Disk& disk);
  ~SqliteVfs();  // after the databases opened through it are closed
  SqliteVfs(const SqliteVfs&) = delete;
  SqliteVfs& operator=(const SqliteVfs&) = delete;
  const char* name() const { return name_.c_str(); }

 private:
  std::string name_;
  std::unique_ptr<sqlite3_vfs> vfs_;
};

}  // namespace postwain::simdisk
