// Salvage from really damaged files: whatever page is destroyed, only what stood on it is lost,
// what is lost is named, and nothing appears that was not there.
#include <map>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "qmgr/disk/content_files.h"
#include "qmgr/salvage/page_source.h"
#include "qmgr/salvage/salvage.h"
#include "tests/unit/qmgr/support.h"
#include "tests/unit/store/store_under_test.h"

using namespace postwain;
using namespace postwain::qmgr;

namespace {

constexpr std::uint64_t kMessages = 60;
constexpr std::uint64_t kSettled = 25;  // the first ones: their rows lie on free pages
constexpr std::uint64_t kInFile = 50;   // this one's content is a file
// The bodies of these are files, and their header sections rows, or in one value.
constexpr std::uint64_t kApartInRows = 51;
constexpr std::uint64_t kApartInValue = 52;

const std::string kHeader = "Subject: salvage\r\n\r\n";

std::string body_of(std::uint64_t id) {
  std::string line = "line of message " + std::to_string(id) + "\r\n";
  std::string out = kHeader;
  for (std::uint64_t i = 0; i < id * 20; ++i) out += line;  // small rows and overflow chains
  return out;
}

void write_file(const std::string& path, std::string_view bytes) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  REQUIRE(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  ::close(fd);
}

// A queue with small and large contents, many recipients, deferred ones, and settled mail.
void fill(const std::string& spool, bool leave_log) {
  test::StoreUnderTest store(spool + "/queue.db");
  REQUIRE(ContentFolder(spool + "/content").create().ok());
  std::vector<NewMessage> all;
  for (std::uint64_t id = 1; id <= kMessages; ++id) {
    std::vector<std::string> to;
    for (std::uint64_t i = 0; i <= id % 7; ++i)
      to.push_back("user" + std::to_string(i) + "@dest" + std::to_string(id) + ".example");
    NewMessage message = test::make_message(id, to);
    message.content = body_of(id);
    message.info.size = message.content.size();
    if (id == kInFile) {
      write_file(spool + "/content/" + message.info.id.text(), message.content);
      message.info.in_file = true;
      message.content.clear();
    }
    if (id == kApartInRows || id == kApartInValue) {
      write_file(spool + "/content/" + message.info.id.text(),
                 std::string_view(message.content).substr(kHeader.size()));
      message.info.in_file = true;
      message.info.header_size = static_cast<std::uint32_t>(kHeader.size());
      message.content = kHeader;
    }
    message.is_compact = id % 2 == 0;  // one value, or rows
    all.push_back(std::move(message));
  }
  store.put_all(std::move(all));
  for (std::uint64_t id = 1; id <= kSettled; ++id) {
    Settlement settlement;
    settlement.id = mail::QueueId{id};
    for (std::uint32_t i = 0; i <= id % 7; ++i) {
      RecipientChange change;
      change.index = i;
      change.kind = ChangeKind::remove;
      settlement.changes.push_back(change);
    }
    (void)store.settle(settlement);
  }
  // One of a message of several has got it.
  Settlement one{mail::QueueId{kMessages}, {}, {}};
  one.changes.push_back({});
  one.changes.back().kind = ChangeKind::remove;
  one.changes.back().index = 2;
  (void)store.settle(one);
  if (!leave_log) {
    REQUIRE(store->maintenance().checkpoint(true).ok());
    return;
  }
  // A process that ends without closing leaves its log behind: copy while it lives.
  for (const char* suffix : {"", "-wal"}) {
    std::string command = "cp " + spool + "/queue.db" + suffix + " " + spool + "/copy" + suffix;
    REQUIRE(std::system(command.c_str()) == 0);
  }
}

struct Recovered {
  SalvageReport report;
  std::map<std::uint64_t, std::size_t> recipients;  // of each message
};

Recovered recover(const std::string& spool, const std::string& to) {
  auto report = salvage(spool, to);
  INFO((report ? std::string() : report.error().text));
  REQUIRE(report.ok());
  Recovered out{report.take(), {}};
  test::StoreUnderTest store(to + "/queue.db");
  REQUIRE(*store.database().ask("PRAGMA integrity_check") == "ok");
  auto all = store.walk().list({}, mail::QueueId{INT64_MAX}, 1000, 100000);
  REQUIRE(all.ok());
  for (const StoredMessage& m : all->parts) {
    std::uint64_t id = m.info.id.value;
    // Nothing that was not there, and nothing that had left, unless nobody knows: then it is held.
    REQUIRE(id >= (out.report.held ? 1 : kSettled + 1));
    REQUIRE(id <= kMessages);
    std::set<std::string> addresses;
    for (const StoredRecipient& r : m.recipients) {
      REQUIRE(r.recipient.address.text() ==
              "user" + std::to_string(r.index) + "@dest" + std::to_string(id) + ".example");
      REQUIRE((r.state == RecipientState::held) == out.report.held);
    }
    out.recipients[id] = m.recipients.size();
    std::string content = store.content(id).value_or("");
    if (m.info.in_file) content += *ContentFolder(to + "/content").read(m.info.id, 0, 1U << 20);
    REQUIRE(content == body_of(id));
  }
  return out;
}

std::size_t expected_recipients() {
  std::size_t count = 0;
  for (std::uint64_t id = kSettled + 1; id <= kMessages; ++id) count += id % 7 + 1;
  return count - 1;
}

std::size_t sum(const Recovered& recovered) {
  std::size_t count = 0;
  for (const auto& [id, n] : recovered.recipients) count += n;
  return count;
}

void overwrite(const std::string& path, std::uint64_t at, std::string_view bytes) {
  int fd = ::open(path.c_str(), O_WRONLY);
  REQUIRE(::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at)) ==
          static_cast<ssize_t>(bytes.size()));
  ::close(fd);
}

std::uint64_t size_of(const std::string& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return static_cast<std::uint64_t>(info.st_size);
}

}  // namespace

TEST_CASE("salvage of a sound queue gives the same queue") {
  test::TempFolder spool;
  fill(spool.path(), false);
  Recovered all = recover(spool.path(), spool.path() + "/new");
  REQUIRE(all.recipients.size() == kMessages - kSettled);
  REQUIRE(sum(all) == expected_recipients());
  REQUIRE(all.report.messages == kMessages - kSettled);
  REQUIRE(all.report.recipients == expected_recipients());
  REQUIRE(all.report.losses.empty());
  REQUIRE_FALSE(all.report.held);
}

TEST_CASE("salvage names a message whose header section or body is lost") {
  test::TempFolder spool;
  fill(spool.path(), false);
  auto text_of = [](std::uint64_t id) { return mail::QueueId{id}.text(); };
  std::string gone;
  SECTION("the body") {
    gone = "its body is gone; its header section: saved as ";
    REQUIRE(::unlink((spool.path() + "/content/" + text_of(kApartInRows)).c_str()) == 0);
  }
  SECTION("the header section") {
    gone = "its header section is gone; its body is in content/" + text_of(kApartInRows);
    auto db = Database::open(spool.db(), Database::Create::never);
    REQUIRE(db.ok());
    REQUIRE(db->run("PRAGMA secure_delete = on; PRAGMA foreign_keys = off; DELETE FROM content "
                    "WHERE id = " +
                    std::to_string(kApartInRows))
                .ok());
  }
  Recovered some = recover(spool.path(), spool.path() + "/new");
  CHECK(some.recipients.count(kApartInRows) == 0);
  REQUIRE(some.report.losses.size() == 1);
  CHECK(some.report.losses[0].find(text_of(kApartInRows) + ": " + gone) == 0);
}

TEST_CASE("salvage knows the rows of every former schema") {
  for (int version = 1; version <= 9; ++version) {
    CAPTURE(version);
    test::TempFolder spool;
    auto sql = read_small_file(POSTWAIN_SOURCE_DIR "/tests/unit/qmgr/fixtures/queue-" +
                               std::to_string(version) + ".sql");
    REQUIRE(sql.ok());
    {
      auto db = Database::open(spool.db(), Database::Create::if_missing);
      REQUIRE(db.ok());
      REQUIRE(db->run("PRAGMA auto_vacuum = INCREMENTAL;" + *sql).ok());
    }
    REQUIRE(salvage(spool.path(), spool.path() + "/new").ok());
    test::StoreUnderTest store(spool.path() + "/new/queue.db");
    REQUIRE(store.message(101));
    CHECK(store.message(101)->recipients.size() == 2);
    CHECK(store.message(101)->info.header_size == 0);
    CHECK(store.content(101) == "Subject: x\n");
    CHECK(store.message(104).has_value() == (version >= 8));
  }
}

TEST_CASE("salvage reads what is only in the write-ahead log, up to its first bad frame") {
  test::TempFolder spool;
  fill(spool.path(), true);
  test::TempFolder copy;
  REQUIRE(ContentFolder(copy.path() + "/content").create().ok());
  std::string move = "mv " + spool.path() + "/copy " + copy.db() + "; mv " + spool.path() +
                     "/copy-wal " + copy.db() + "-wal; cp " + spool.path() + "/content/* " +
                     copy.path() + "/content/";
  REQUIRE(std::system(move.c_str()) == 0);
  Recovered all = recover(copy.path(), copy.path() + "/new");
  REQUIRE(all.report.pages_of_log > 0);
  REQUIRE(sum(all) == expected_recipients());
  // The one transaction is damaged: it counts as not there, and nothing is made up.
  overwrite(copy.db() + "-wal", size_of(copy.db() + "-wal") / 2, "damage");
  REQUIRE(recover(copy.path(), copy.path() + "/new2").recipients.empty());
}

TEST_CASE("salvage loses only what stood on a destroyed page, and names it") {
  test::TempFolder sound;
  fill(sound.path(), false);
  auto pages = static_cast<std::uint32_t>(size_of(sound.db()) / kPageSize);
  REQUIRE(pages > 80);
  std::string rubbish(kPageSize, '\xA5');
  std::size_t with_losses = 0;
  for (std::uint32_t page = 1; page <= pages; ++page) {
    INFO("page " << page << " of " << pages);
    test::TempFolder spool;
    std::string copy = "cp -r " + sound.path() + "/. " + spool.path();
    REQUIRE(std::system(copy.c_str()) == 0);
    overwrite(spool.db(), std::uint64_t{page - 1} * kPageSize, rubbish);
    Recovered some = recover(spool.path(), spool.path() + "/new");
    std::size_t lost = 0;
    for (std::uint64_t id = kSettled + 1; id <= kMessages; ++id)
      lost += some.recipients.count(id) == 0 ? 1 : 0;
    CHECK(lost <= 40);  // rows of one page
    std::string said;
    for (const std::string& loss : some.report.losses) said += loss + "\n";
    for (std::uint64_t id = kSettled + 1; id <= kMessages; ++id)
      // (Of one value nothing is left that would have a name.)
      if (some.recipients.count(id) == 0 && id % 2 == 1)
        CHECK(said.find(mail::QueueId{id}.text()) != std::string::npos);
    if (sum(some) < expected_recipients()) {
      CHECK(said.find("page " + std::to_string(page) + " ") != std::string::npos);
      ++with_losses;
    }
    if (page == 1) CHECK(some.report.held);  // the list of free pages is gone
  }
  CHECK(with_losses > 10);
}

TEST_CASE("salvage of a shortened file takes what is left") {
  test::TempFolder spool;
  fill(spool.path(), false);
  REQUIRE(::truncate(spool.db().c_str(), static_cast<off_t>(size_of(spool.db()) * 2 / 3 + 100)) ==
          0);
  Recovered some = recover(spool.path(), spool.path() + "/new");
  // Messages whose recipients were cut off are saved as files.
  std::size_t saved = 0;
  auto names = FileSystem::real().names(spool.path() + "/new/lost");
  if (names) saved = names->size() - 2;
  CHECK(some.recipients.size() + saved > 5);
  CHECK(some.report.losses.size() >= saved);
}

TEST_CASE("salvage refuses a queue that is not there, and a place that is taken") {
  test::TempFolder spool;
  fill(spool.path(), false);
  REQUIRE(::mkdir((spool.path() + "/taken").c_str(), 0700) == 0);
  REQUIRE(::mkdir((spool.path() + "/taken/by").c_str(), 0700) == 0);
  REQUIRE_FALSE(salvage(spool.path(), spool.path() + "/taken").ok());
  REQUIRE_FALSE(salvage(spool.path() + "/nowhere", spool.path() + "/new").ok());
}

TEST_CASE("salvage of noise finds nothing") {
  test::TempFolder spool;
  std::string noise;
  std::uint64_t x = 1;
  for (int i = 0; i < 40 * 4096 / 8; ++i) {
    x = x * 6364136223846793005ULL + 1442695040888963407ULL;
    noise.append(reinterpret_cast<const char*>(&x), 8);
  }
  for (std::size_t at = 0; at < noise.size(); at += 4096) noise[at] = at % 8192 == 0 ? 13 : 10;
  write_file(spool.db(), noise);
  REQUIRE(recover(spool.path(), spool.path() + "/new").recipients.empty());
}
