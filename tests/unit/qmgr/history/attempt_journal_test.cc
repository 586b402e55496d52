// The journal of attempts: what a killed qmgr leaves for the next one to say.
#include <catch2/catch.hpp>

#include "qmgr/history/attempt_journal.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;

TEST_CASE("the journal of attempts names what was under way") {
  test::TempFolder folder;
  std::string path = folder.path() + "/attempts";
  {
    auto journal = AttemptJournal::open(path);
    REQUIRE(journal.ok());
    std::uint32_t done = journal->begin(mail::QueueId{5}, 0);
    CHECK(journal->begin(mail::QueueId{5}, 1) != 0);
    CHECK(journal->begin(mail::QueueId{6}, 0) != 0);
    journal->end(done);
    journal->end(0);
  }
  auto journal = AttemptJournal::open(path);
  REQUIRE(journal.ok());
  REQUIRE(journal->left_count() == 2);
  CHECK(journal->leftovers()[0].index == 1);
  CHECK_FALSE(journal->leftovers()[0].doubt);
  CHECK(journal->take_left(mail::QueueId{5}, 0) == 0);
  std::uint32_t left = journal->take_left(mail::QueueId{5}, 1);
  CHECK(left != 0);
  CHECK(journal->take_left(mail::QueueId{5}, 1) == 0);
  journal->end(left);
  // More than there is room for are simply not noted.
  for (std::uint32_t i = 0; i < kJournalSlots - 1; ++i)
    REQUIRE(journal->begin(mail::QueueId{7}, i) != 0);
  CHECK(journal->begin(mail::QueueId{8}, 0) == 0);
}

TEST_CASE("the journal knows what was reported as delivered and not committed") {
  test::TempFolder folder;
  std::string path = folder.path() + "/attempts";
  {
    auto journal = AttemptJournal::open(path);
    std::uint32_t first = journal->begin(mail::QueueId{5}, 0);
    std::uint32_t second = journal->begin(mail::QueueId{5}, 1);
    journal->begin(mail::QueueId{5}, 2);
    std::uint32_t committed = journal->begin(mail::QueueId{5}, 3);
    journal->delivered(first, false);
    journal->delivered(second, true);
    journal->delivered(committed, false);
    journal->end(committed);
    journal->delivered(0, true);
  }
  auto journal = AttemptJournal::open(path);
  REQUIRE(journal->left_count() == 3);
  auto left = journal->leftovers();
  CHECK(left[0].delivered);
  CHECK_FALSE(left[0].dsn_passed_on);
  CHECK(left[1].delivered);
  CHECK(left[1].dsn_passed_on);
  CHECK_FALSE(left[2].delivered);
  // Its place is as good as new for the next one.
  journal->end(journal->take_left(mail::QueueId{5}, 1));
  journal->begin(mail::QueueId{6}, 0);
  auto again = AttemptJournal::open(path);
  for (const auto& one : again->leftovers())
    if (one.id == mail::QueueId{6}) CHECK_FALSE(one.delivered);
}

TEST_CASE("the journal keeps a doubt until the history has it, beside a later attempt") {
  test::TempFolder folder;
  std::string path = folder.path() + "/attempts";
  {
    auto journal = AttemptJournal::open(path);
    std::uint32_t first = journal->begin(mail::QueueId{5}, 1);
    journal->doubt(first);
    journal->begin(mail::QueueId{5}, 1);
  }
  {
    auto journal = AttemptJournal::open(path);
    REQUIRE(journal->left_count() == 1);
    CHECK(journal->leftovers()[0].doubt);
    journal->doubt(journal->take_left(mail::QueueId{5}, 1));
  }
  auto journal = AttemptJournal::open(path);
  REQUIRE(journal->left_count() == 1);
  CHECK(journal->leftovers()[0].doubt);
  journal->end(journal->take_left(mail::QueueId{5}, 1));
  CHECK(AttemptJournal::open(path)->left_count() == 0);
}
