// Contents in files of a queue that several machines share (shared_contents.h, piece_sweep.h): the
// store has their octets before the message is committed, and a file that is missing is made again.
// Real files and threads; the store and its pieces are in memory.
#include <unistd.h>

#include "common/base/file.h"

#include "qmgr/queue/piece_sweep.h"
#include "tests/memory_store/memory_pieces.h"
#include "tests/unit/queue/queue_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

const std::string kBody(100'000, 'x');

struct SharedDisk : Disk {
  SharedDisk() { state->bodies = std::make_shared<MemoryBodies>(); }
  MemoryBodies& bodies() { return *state->bodies; }
};

struct Shared {
  explicit Shared(const config::Config& config = config_of_rig()) : rig(disk, config) {
    REQUIRE(files().create().ok());
    rig.start();
  }
  ContentFolder files() const { return ContentFolder(disk.folder.path() + "/content"); }
  void make_file(std::uint64_t id, const std::string& body = kBody) const {
    auto file = ContentFile::create(files(), mail::QueueId{id});
    REQUIRE(file.ok());
    REQUIRE(file->append(body).ok());
    REQUIRE(file->finish(body.size()).ok());
  }
  bool has_file(std::uint64_t id) const {
    return ::access(files().file_of(mail::QueueId{id}).c_str(), F_OK) == 0;
  }
  static NewMessage message(std::uint64_t id, std::vector<std::string> to = {"a@example.org"}) {
    NewMessage message = make_message(id, std::move(to));
    message.info.in_file = true;
    message.info.header_size = static_cast<std::uint32_t>(message.content.size());
    message.info.size = message.content.size() + kBody.size();
    return message;
  }
  // The loop turns until it is so, a minute at most.
  bool until(const std::function<bool()>& done) {
    MonoTime end = mono_now() + std::chrono::minutes(1);
    net::Timer look(rig.loop);
    look.repeat(std::chrono::milliseconds(2), [&] {
      rig.service.run();
      if (done() || mono_now() > end) rig.loop.stop();
    });
    if (!done()) rig.loop.run();
    return done();
  }
  AcceptEnd accept(NewMessage message) {
    std::optional<AcceptEnd> end;
    rig.queue.acceptance().accept(std::move(message), [&](AcceptEnd how) { end = how; });
    REQUIRE(until([&] { return end.has_value(); }));
    return *end;
  }
  Result<OpenContent> open(std::uint64_t id) {
    WorkingMessage working;
    working.info = message(id).info;
    std::optional<Result<OpenContent>> content;
    rig.queue.content().open(working, [&](Result<OpenContent> how) { content = std::move(how); });
    REQUIRE(until([&] { return content.has_value(); }));
    return std::move(*content);
  }

  SharedDisk disk;
  QueueRig rig;
};

std::string octets_of(const OpenContent& content) {
  std::string octets(kBody.size() + 1, '\0');
  ssize_t got = ::pread(content.file.get(), octets.data(), octets.size(), 0);
  octets.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return octets;
}

}  // namespace

TEST_CASE("a large message is accepted when the store has its body, and not before") {
  Shared shared;
  shared.make_file(100);
  CHECK(shared.accept(Shared::message(100)) == AcceptEnd::stored);
  CHECK(shared.disk.bodies().body(mail::QueueId{100}) == kBody);
  CHECK(shared.rig.queue.content().shared()->under_way().empty());
  CHECK(shared.rig.leases().size() == 1);
}

TEST_CASE("a body that the store cannot take is a message that is not accepted") {
  Shared shared;
  shared.make_file(100);
  SECTION("the database is away") {
    shared.disk.bodies().fail(StoreError::Kind::away);
    CHECK(shared.accept(Shared::message(100)) == AcceptEnd::failed);
    shared.disk.bodies().fail(std::nullopt);
  }
  SECTION("it is full") {
    shared.disk.bodies().fail(StoreError::Kind::full);
    CHECK(shared.accept(Shared::message(100)) == AcceptEnd::full);
    shared.disk.bodies().fail(std::nullopt);
  }
  SECTION("the file has another size") {
    NewMessage longer = Shared::message(100);
    ++longer.info.size;
    CHECK(shared.accept(longer) == AcceptEnd::failed);
  }
  CHECK(shared.rig.messages() == 0);
  CHECK(shared.rig.queue.content().shared()->under_way().empty());
  // The client sends it again.
  CHECK(shared.accept(Shared::message(100)) == AcceptEnd::stored);
}

TEST_CASE("of two messages with one id, the second does not disturb the first") {
  Shared shared;
  shared.make_file(100);
  std::vector<AcceptEnd> ends;
  for (int i = 0; i < 2; ++i)
    shared.rig.queue.acceptance().accept(Shared::message(100),
                                         [&](AcceptEnd how) { ends.push_back(how); });
  REQUIRE(shared.until([&] { return ends.size() == 2; }));
  CHECK(ends == std::vector<AcceptEnd>{AcceptEnd::failed, AcceptEnd::stored});
  CHECK(shared.disk.bodies().body(mail::QueueId{100}) == kBody);
}

TEST_CASE("a message whose pieces go before its commit is not accepted, and leaves none") {
  Shared shared;
  shared.make_file(100);
  std::optional<AcceptEnd> end;
  shared.rig.queue.acceptance().accept(Shared::message(100), [&](AcceptEnd how) { end = how; });
  // The store does not run meanwhile.
  MonoTime limit = mono_now() + std::chrono::minutes(1);
  net::Timer look(shared.rig.loop);
  look.repeat(std::chrono::milliseconds(2), [&] {
    if (!shared.rig.service.idle() || mono_now() > limit) shared.rig.loop.stop();
  });
  shared.rig.loop.run();
  REQUIRE(shared.disk.bodies().body(mail::QueueId{100}) == kBody);
  CHECK(shared.rig.queue.content().shared()->under_way().size() == 1);
  shared.disk.bodies().set(mail::QueueId{100}, kBody.substr(1));
  REQUIRE(shared.until([&] { return end.has_value(); }));
  CHECK(end == AcceptEnd::failed);
  REQUIRE(shared.until([&] { return shared.disk.bodies().count() == 0; }));
}

TEST_CASE("the pieces go with the message, its file too") {
  Shared shared;
  shared.make_file(100);
  REQUIRE(shared.accept(Shared::message(100)) == AcceptEnd::stored);
  std::vector<Pick> leases = shared.rig.leases();
  REQUIRE(leases.size() == 1);
  shared.rig.end(leases[0], delivered());
  REQUIRE(shared.until([&] { return !shared.has_file(100); }));
  CHECK(shared.disk.bodies().count() == 0);
  CHECK(shared.rig.messages() == 0);
}

TEST_CASE("a file that is missing or has another size is made of the store's pieces, once") {
  Shared shared;
  shared.make_file(100);
  REQUIRE(shared.accept(Shared::message(100)) == AcceptEnd::stored);
  REQUIRE(shared.files().remove(mail::QueueId{100}).ok());
  SECTION("missing") {}
  SECTION("another one is there") {
    shared.make_file(100, "of an older message");
  }
  std::vector<Result<OpenContent>> contents;
  WorkingMessage working;
  working.info = Shared::message(100).info;
  for (int i = 0; i < 5; ++i)
    shared.rig.queue.content().open(
        working, [&](Result<OpenContent> how) { contents.push_back(std::move(how)); });
  std::optional<std::string> read;
  shared.rig.queue.content().read(working.info, working.info.size - 3, 10,
                                  [&](const std::optional<std::string>& octets) { read = octets; });
  REQUIRE(shared.until([&] { return contents.size() == 5 && read.has_value(); }));
  for (Result<OpenContent>& one : contents) {
    REQUIRE(one.ok());
    CHECK(octets_of(*one) == kBody);
  }
  CHECK(read == "xxx");
  CHECK(shared.disk.bodies().gets() == 1);
}

TEST_CASE("a body that the store has lost is lost, one that it cannot give now is not") {
  Shared shared;
  shared.make_file(100);
  REQUIRE(shared.accept(Shared::message(100)) == AcceptEnd::stored);
  REQUIRE(shared.files().remove(mail::QueueId{100}).ok());
  shared.disk.bodies().fail(StoreError::Kind::away);
  auto away = shared.open(100);
  REQUIRE_FALSE(away.ok());
  CHECK(is_temporary(away.error().code));
  shared.disk.bodies().fail(std::nullopt);
  shared.disk.bodies().set(mail::QueueId{100}, kBody.substr(1));
  auto lost = shared.open(100);
  REQUIRE_FALSE(lost.ok());
  CHECK_FALSE(is_temporary(lost.error().code));
  CHECK_FALSE(shared.has_file(100));
}

TEST_CASE("who reads while the database is away waits until it is back") {
  Shared shared;
  shared.make_file(100);
  REQUIRE(shared.accept(Shared::message(100)) == AcceptEnd::stored);
  REQUIRE(shared.files().remove(mail::QueueId{100}).ok());
  shared.disk.bodies().fail(StoreError::Kind::away);
  MessageInfo info = Shared::message(100).info;
  bool answered = false;
  std::optional<std::string> read;
  shared.rig.queue.content().read(info, info.header_size, 10, [&](const auto& octets) {
    answered = true;
    read = octets;
  });
  MonoTime back = mono_now() + std::chrono::seconds(1);
  CHECK_FALSE(shared.until([&] { return answered || mono_now() > back; }) == answered);
  shared.disk.bodies().fail(std::nullopt);
  REQUIRE(shared.until([&] { return answered; }));
  CHECK(read == std::string(10, 'x'));
}

TEST_CASE("what was left over is removed after an hour, and in every hour; what counts stays") {
  SharedDisk disk;
  auto old_id = [](std::uint64_t n) {
    return mail::QueueId{mail::QueueId::first_of(at(0) - std::chrono::hours(2)).value + n};
  };
  for (std::uint64_t n = 1; n <= 300; ++n) disk.bodies().set(old_id(n), "left");
  mail::QueueId young = mail::QueueId::first_of(at(0) - std::chrono::minutes(59));
  disk.bodies().set(young, "left");
  {
    MemoryStore store(disk.state);
    REQUIRE(store.begin().ok());
    NewMessage kept = make_message(old_id(7).value, {"a@example.org"});
    MessageRows::Insert insert{&kept, at(0), kept.content};
    REQUIRE(store.rows().insert({&insert, 1}).ok());
    REQUIRE(store.commit().ok());
  }
  QueueRig rig(disk);
  rig.start();
  rig.run();
  CHECK(disk.bodies().count() == 2);
  CHECK(disk.bodies().body(old_id(7)) == "left");
  CHECK(disk.bodies().body(young) == "left");
  rig.pass(kSweepAfter);
  CHECK_FALSE(disk.bodies().body(young));
  CHECK(disk.bodies().count() == 1);
}
