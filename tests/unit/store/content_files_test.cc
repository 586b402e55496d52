// Bodies in files of the spool: whole under their name, or gone.
#include <catch2/catch.hpp>

#include "common/base/file.h"

#include "qmgr/disk/content_files.h"
#include "tests/unit/store/store_under_test.h"

using namespace postwain;
using namespace postwain::qmgr;

TEST_CASE("content files: synced under their name, unfinished and unknown ones swept") {
  test::TempFolder folder;
  ContentFolder files(folder.path() + "/content");
  REQUIRE(files.create().ok());
  {
    auto file = ContentFile::create(files, mail::QueueId{1});
    REQUIRE(file->append("hello ").ok());
    REQUIRE(file->append("world").ok());
    REQUIRE_FALSE(file->finish(10).ok());  // not what was announced
    REQUIRE(file->finish(11).ok());
    REQUIRE_FALSE(file->existed());
  }
  REQUIRE(*files.read(mail::QueueId{1}, 6, 100) == "world");
  {
    auto again = ContentFile::create(files, mail::QueueId{1});
    REQUIRE(again->append("hello world").ok());
    REQUIRE(again->finish(11).ok());
    REQUIRE(again->existed());
    auto other = ContentFile::create(files, mail::QueueId{1});
    REQUIRE(other->append("something else").ok());
    REQUIRE_FALSE(other->finish(14).ok());  // never replaces another message's content
  }
  REQUIRE(*files.read(mail::QueueId{1}, 0, 100) == "hello world");
  {
    auto lent = ContentFile::create(files, mail::QueueId{4});
    UniqueFd other = lent->lend().take();
    REQUIRE(write_all(other.get(), "by another process").ok());
    REQUIRE(lent->finish(18).ok());
    REQUIRE_FALSE(files.open(mail::QueueId{4}, 17).ok());
    REQUIRE(*read_small_fd(files.open(mail::QueueId{4}, 18)->get()) == "by another process");
    REQUIRE(files.remove(mail::QueueId{4}).ok());
  }
  {
    auto abandoned = ContentFile::create(files, mail::QueueId{2});
    REQUIRE(abandoned->append("x").ok());
  }
  REQUIRE(ContentFile::create(files, mail::QueueId{3})->finish(0).ok());
  auto swept = files.sweep([](mail::QueueId id) -> Result<bool> { return id.value == 1; });
  REQUIRE(*swept == 1);
  REQUIRE(files.read(mail::QueueId{1}, 0, 1).ok());
  REQUIRE_FALSE(files.read(mail::QueueId{3}, 0, 1).ok());
  REQUIRE(files.remove(mail::QueueId{1}).ok());
}
