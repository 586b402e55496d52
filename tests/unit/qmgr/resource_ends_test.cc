// What qmgr does where a resource is at its end: descriptors, names of files, the log of the
// database, and a history that is slow or cannot be kept. (The disk's bytes: policy_test.cc and
// store_worker_test.cc.)
#include <atomic>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "qmgr/history/history.h"
#include "tests/unit/qmgr/qmgr_rig.h"
#include "tests/unit/store/store_under_test.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;
using ipc::FrameType;
using ipc::Role;

namespace {

mail::Envelope envelope_to(const std::string& to) {
  mail::Envelope out;
  out.reverse_path = mail::Address::from_text("alice@example.org");
  out.recipients.push_back({mail::Address::from_text(to), {}, {}});
  return out;
}

ipc::Arrival from_here() {
  return {"ESMTP", "198.51.100.7", "client", "", wall_now()};
}

// No descriptor is free for us until the end of this.
class NoDescriptors {
 public:
  NoDescriptors() {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    rlimit none{3, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  ~NoDescriptors() { (void)::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

std::int64_t octets_in(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<std::int64_t>(info.st_size) : -1;
}

// SQLite's own layer, but for the history, whose file opens when it is let.
class SlowHistory {
 public:
  SlowHistory() {
    original_ = sqlite3_vfs_find(nullptr);
    slow_ = *original_;
    slow_.zName = "slow-history";
    slow_.pNext = nullptr;
    slow_.xOpen = [](sqlite3_vfs* self, const char* name, sqlite3_file* file, int flags, int* out) {
      (void)self;
      while (name != nullptr && std::strstr(name, "history.db") != nullptr && !let_.load())
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      return original_->xOpen(original_, name, file, flags, out);
    };
    let_ = false;
    REQUIRE(sqlite3_vfs_register(&slow_, 1) == SQLITE_OK);
  }
  ~SlowHistory() {
    let();
    sqlite3_vfs_register(original_, 1);
    sqlite3_vfs_unregister(&slow_);
  }
  SlowHistory(const SlowHistory&) = delete;
  SlowHistory& operator=(const SlowHistory&) = delete;
  static void let() { let_ = true; }

 private:
  static inline sqlite3_vfs* original_ = nullptr;
  static inline std::atomic<bool> let_{false};
  sqlite3_vfs slow_{};
};

// Before the queue waits for the end of its history's thread.
struct LetAtEnd {
  LetAtEnd() = default;
  LetAtEnd(const LetAtEnd&) = delete;
  LetAtEnd& operator=(const LetAtEnd&) = delete;
  ~LetAtEnd() { SlowHistory::let(); }
};

}  // namespace

TEST_CASE("kind 2: content that finds no descriptor is tried again, content that is lost is held") {
  for (int number : {EMFILE, ENFILE, ENOMEM, EAGAIN}) CHECK(is_temporary(number));
  for (int number : {ENOENT, EIO, EACCES, 0}) CHECK_FALSE(is_temporary(number));
  bool lost = GENERATE(false, true);
  CAPTURE(lost);
  Rig rig;
  auto sender = rig.peer(Role::sendmail);
  auto agent = rig.peer(Role::smtp_client);
  mail::QueueId name{1};
  sender->send(ipc::SubmitOpen{name, envelope_to("bob@example.test"), from_here()});
  sender->send(ipc::SubmitChunk{name, "Subject: large\r\n\r\nbody\r\n"});
  sender->send(ipc::SubmitEnd{name, 0, false, 24});
  REQUIRE(rig.until([&] { return sender->count(FrameType::submit_result) == 1; }));
  REQUIRE(sender->code() == 250);
  REQUIRE(rig.until([&] { return agent->count(FrameType::lease) == 1; }));
  ipc::Lease lease = agent->got<ipc::Lease>();
  if (lost) REQUIRE(::unlink((rig.folder.path() + "/content/" + lease.id.text()).c_str()) == 0);
  {
    std::optional<NoDescriptors> none;
    if (!lost) none.emplace();
    agent->send(ipc::ContentRequest{lease.lease, false});
    REQUIRE(rig.until([&] { return agent->count(FrameType::content) == 1; }));
  }
  CHECK(agent->got<ipc::Content>().kind == ipc::Content::Kind::missing);
  mail::Outcome deferred;
  deferred.disposition = mail::Disposition::deferred;
  deferred.reply.text = "the content of the message cannot be read";
  ipc::Outcomes report;
  report.lease = lease.lease;
  report.done = true;
  report.outcomes = {{0, deferred}};
  agent->send(report);
  bool held = false;
  bool tried = false;
  REQUIRE(rig.until([&] {
    rig.queue->store().read([&](QueueStore& store) -> StoreService::Completion {
      auto found = QueueReader(store).message(lease.id, 0, 1);
      if (!found || !*found || (*found)->recipients.empty()) return nullptr;
      StoredRecipient one = (*found)->recipients.front();
      return [&, one] {
        tried = one.last.at > WallTime{} || one.state == RecipientState::held;
        held = one.state == RecipientState::held;
      };
    });
    return tried;
  }));
  CHECK(held == lost);
}

TEST_CASE("kind 2: a slow history: nothing is leased before suspensions and breakers are known") {
  SlowHistory slow;
  bool comes_back = GENERATE(false, true);
  CAPTURE(comes_back);
  WallTime later = wall_now() + std::chrono::hours(1);
  Rig rig([&](QueueStore& store) {
    const DestinationFact facts[] = {
        Suspension{"mx:held.test", wall_now(), WallTime::max(), "ann", ""},
        OpenBreaker{"mx:down.test", 1, wall_now(), later, "no route"}};
    REQUIRE(store.destinations().write(facts).ok());
  });
  LetAtEnd let_at_end;
  auto sender = rig.peer(Role::smtpd);
  auto agent = rig.peer(Role::smtp_client);
  std::uint64_t number = 0;
  for (const char* to : {"a@held.test", "b@down.test", "c@free.test"})
    sender->send(ipc::Submit{mail::QueueId{++number}, 0, envelope_to(to), from_here(), false,
                             "Subject: x\r\n\r\nhi\r\n"});
  // New mail is taken meanwhile, and an agent is there.
  REQUIRE(rig.until([&] { return sender->count(FrameType::submit_result) == 3; }));
  CHECK((rig.queue->start().holds_known() || agent->count(FrameType::lease) == 0));
  if (comes_back) SlowHistory::let();
  REQUIRE(rig.until(
      [&] { return rig.queue->start().holds_known() || agent->count(FrameType::lease) > 0; }));
  CHECK(rig.queue->start().holds_known());
  // A history that hangs is not waited for without end: what may go goes, and that alone.
  REQUIRE(rig.until([&] { return agent->count(FrameType::lease) == 1; }));
  CHECK(agent->got<ipc::Lease>().hop.key() == "mx:free.test");
  auto witness = rig.peer(Role::smtpd);
  CHECK(agent->count(FrameType::lease) == 1);
}

TEST_CASE("kind 2: a history that cannot be kept says why, and that it is kept again") {
  TempFolder folder;
  net::Loop loop;
  std::string path = folder.path() + "/history.db";
  REQUIRE(::mkdir(path.c_str(), 0700) == 0);
  History history(loop, path, std::chrono::hours(24));
  auto flushed = [&] {
    EventRecord one;
    one.id = mail::QueueId{1};
    history.happened(one);
    history.flush([&] { loop.stop(); });
    loop.run();
  };
  flushed();
  CHECK(history.status().trouble.find("history.db") != std::string::npos);
  CHECK(history.status().dropped == 1);
  history.set_no_space(true);
  flushed();
  CHECK(history.status().trouble == "the disk is full");
  history.set_no_space(false);
  REQUIRE(::rmdir(path.c_str()) == 0);
  MonoTime end = mono_now() + std::chrono::minutes(1);
  while (!history.status().trouble.empty() && mono_now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    flushed();
  }
  CHECK(history.status().trouble.empty());
  history.finish();
}

TEST_CASE("kind 2: what SQLite cannot open is told with the system's reason") {
  Result<Database> none = Database::open("/nowhere/at/all.db", Database::Create::if_missing);
  REQUIRE_FALSE(none.ok());
  CHECK(none.error().text.find("No such file or directory") != std::string::npos);
}

TEST_CASE("kind 2: the log of the database is bounded, whoever would like to read it") {
  TempFolder folder;
  test::StoreUnderTest store(folder.db());
  Maintenance& upkeep = store->maintenance();
  std::uint64_t number = 0;
  auto grow = [&] {
    for (int i = 0; i < 20; ++i) {
      NewMessage message = make_message(++number, {"a@example.org"});
      message.content = std::string(32U << 10, 'x');
      message.info.size = message.content.size();
      REQUIRE(store.put(message) == AcceptEnd::stored);
    }
  };
  grow();
  SECTION("another program gets no place to read from") {
    sqlite3* other = nullptr;
    REQUIRE(sqlite3_open_v2(folder.db().c_str(), &other, SQLITE_OPEN_READONLY, nullptr) ==
            SQLITE_OK);
    int code = sqlite3_exec(other, "SELECT count(*) FROM message", nullptr, nullptr, nullptr);
    CHECK(code == SQLITE_BUSY);
    sqlite3_close(other);
  }
  SECTION("a backup under way holds up no checkpoint") {
    Database copy = Database::open(folder.path() + "/copy.db", Database::Create::if_missing).take();
    sqlite3_backup* backup =
        sqlite3_backup_init(copy.raw(), "main", store.database().raw(), "main");
    REQUIRE(backup != nullptr);
    REQUIRE(sqlite3_backup_step(backup, 3) == SQLITE_OK);
    grow();
    REQUIRE(upkeep.log_bytes() > 0);
    REQUIRE(upkeep.checkpoint(true).ok());
    CHECK(upkeep.log_bytes() == 0);
    CHECK(sqlite3_backup_step(backup, -1) == SQLITE_DONE);
    CHECK(sqlite3_backup_finish(backup) == SQLITE_OK);
  }
  REQUIRE(upkeep.checkpoint(true).ok());
  CHECK(octets_in(folder.db() + "-wal") == 0);
}

TEST_CASE("kind 2: the log's file stays where there may be no name for a new one") {
  TempFolder folder;
  bool keep = GENERATE(false, true);
  {
    test::StoreUnderTest store(folder.db());
    REQUIRE(store.put(make_message(1, {"a@example.org"})) == AcceptEnd::stored);
    REQUIRE(store->maintenance().checkpoint(true).ok());
    if (keep) store->maintenance().keep_log_file();
  }
  CHECK(octets_in(folder.db() + "-wal") == (keep ? 0 : -1));
  test::StoreUnderTest again(folder.db());
  CHECK(again.message(1).has_value());
}
