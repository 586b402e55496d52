// A Disk as the file system of content files.
#pragma once

#include "qmgr/disk/file_system.h"
#include "tests/simdisk/disk.h"

namespace postwain::simdisk {

class Files final : public qmgr::FileSystem {
 public:
  explicit Files(Disk& disk) : disk_(disk) {}

  // Deliberate mistakes, to see whether a test notices them.
  bool forget_sync = false;
  bool forget_folder_sync = false;

  bool unnamed = true;  // files can be made without a name

  Result<std::unique_ptr<qmgr::OutputFile>> create(const std::string& path) override;
  Result<std::unique_ptr<qmgr::OutputFile>> create_unnamed(const std::string& folder) override;
  Result<std::string> read(const std::string& path, std::uint64_t offset,
                           std::size_t length) override;
  Result<UniqueFd> open(const std::string& path) override;  // never: nobody else sees this disk
  Result<std::uint64_t> size(const std::string& path) override;
  Status link(const std::string& from, const std::string& to) override;
  Status unlink(const std::string& path) override;
  Status make_folder(const std::string& path) override;
  Status sync_folder(const std::string& path) override;
  Result<std::vector<std::string>> names(const std::string& folder) override;

 private:
  Disk& disk_;
};

}  // namespace postwain::simdisk
