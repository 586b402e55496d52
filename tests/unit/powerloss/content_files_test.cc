// Files under way: whose they are, and what is left of them.
#include <catch2/catch.hpp>

#include <algorithm>

#include "qmgr/disk/content_files.h"
#include "tests/simdisk/files.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

const mail::QueueId kId{42};

// Two who write under one id: neither gets at the file of the other, and the first that is whole
// has the name.
void two_writers(ContentFolder& folder) {
  Result<ContentFile> mine = ContentFile::create(folder, kId);
  REQUIRE(mine.ok());
  REQUIRE(mine->append("true ").ok());
  {
    Result<ContentFile> other = ContentFile::create(folder, kId);
    REQUIRE(other.ok());
    REQUIRE(other->append("forged, and longer").ok());
    REQUIRE(mine->append("content").ok());
    Result<ContentFile> third = ContentFile::create(folder, kId);
    REQUIRE(third.ok());
  }  // given up
  REQUIRE(mine->finish(12).ok());
  CHECK_FALSE(mine->existed());
  CHECK(*folder.read(kId, 0, 100) == "true content");
  Result<ContentFile> late = ContentFile::create(folder, kId);
  REQUIRE(late.ok());
  REQUIRE(late->append("forged").ok());
  CHECK_FALSE(late->finish(6).ok());  // the name is taken, by something of another size
  CHECK(*folder.read(kId, 0, 100) == "true content");
}

}  // namespace

TEST_CASE("S18: writers of one id do not meet, on the real disk") {
  TempFolder place;
  ContentFolder folder(place.path() + "/content");
  REQUIRE(folder.create().ok());
  two_writers(folder);
  std::vector<std::string> names = *FileSystem::real().names(folder.path());
  std::erase_if(names, [](const std::string& name) { return name[0] == '.'; });
  CHECK(names == std::vector<std::string>{kId.text()});
}

TEST_CASE("S18: writers of one id do not meet, with names and without") {
  simdisk::Image image;
  image.names["/spool"] = 1;
  simdisk::Disk disk(image);
  simdisk::Files files(disk);
  files.unnamed = GENERATE(true, false);
  ContentFolder folder("/spool/content", files);
  REQUIRE(folder.create().ok());
  CHECK(folder.takes_unnamed() == files.unnamed);
  two_writers(folder);
  CHECK(folder.disk().names(folder.path())->size() == 1);
}

TEST_CASE("S18: what a crash leaves of files under way is swept") {
  simdisk::Image image;
  image.names["/spool"] = 1;
  simdisk::Disk disk(image);
  simdisk::Files files(disk);
  files.unnamed = false;
  ContentFolder folder("/spool/content", files);
  REQUIRE(folder.create().ok());
  auto file = ContentFile::create(folder, kId);
  REQUIRE(file.ok());
  REQUIRE(file->append("half").ok());
  simdisk::Disk after(disk.seen());
  simdisk::Files again(after);
  ContentFolder found("/spool/content", again);
  REQUIRE(found.create().ok());
  CHECK(found.disk().names(found.path())->size() == 1);
  CHECK(*found.sweep([](mail::QueueId) -> Result<bool> { return true; }) == 1);
  CHECK(found.disk().names(found.path())->empty());
}
