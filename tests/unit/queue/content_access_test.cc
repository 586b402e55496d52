// Content that lies in files, as the queue shares, keeps and removes it (content_access.h). Real
// files, and the threads that work on them.
#include <fcntl.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/log/log.h"

#include "qmgr/shared/content_access.h"
#include "tests/unit/queue/queue_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

struct Files {
  Files()
      : service(disk.state),
        folder(disk.folder.path() + "/content"),
        access(loop, folder, service) {
    REQUIRE(folder.create().ok());
  }
  void make(std::uint64_t id, std::string_view bytes) {
    auto file = ContentFile::create(folder, mail::QueueId{id});
    REQUIRE(file.ok());
    REQUIRE(file->append(bytes).ok());
    REQUIRE(file->finish(bytes.size()).ok());
  }
  bool has(std::uint64_t id) const {
    return ::access(folder.file_of(mail::QueueId{id}).c_str(), F_OK) == 0;
  }
  // The loop turns until it is so, a minute at most.
  bool until(const std::function<bool()>& done) {
    MonoTime end = mono_now() + std::chrono::minutes(1);
    net::Timer look(loop);
    look.repeat(std::chrono::milliseconds(2), [&] {
      service.run();
      if (done() || mono_now() > end) loop.stop();
    });
    if (!done()) loop.run();
    return done();
  }

  Disk disk;
  net::Loop loop;
  MemoryService service;
  ContentFolder folder;
  ContentAccess access;
};

// What goes to standard error meanwhile.
std::string logged_by(const std::string& path, const std::function<void()>& act) {
  log::flush();
  int before = ::dup(STDERR_FILENO);
  int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  REQUIRE(::dup2(file, STDERR_FILENO) == STDERR_FILENO);
  act();
  log::flush();
  (void)::dup2(before, STDERR_FILENO);
  ::close(before);
  ::close(file);
  return read_small_file(path).take();
}

Submission with_parts(std::uint64_t id, const std::vector<std::uint64_t>& parts) {
  Submission submission;
  submission.message.info.id = mail::QueueId{id};
  submission.message.info.size = 4;
  submission.message.info.in_file = true;
  for (std::uint64_t part : parts) {
    submission.parts.push_back(submission.message);
    submission.parts.back().info.id = mail::QueueId{part};
  }
  return submission;
}

WorkingMessage in_file(std::uint64_t id, std::uint64_t size) {
  WorkingMessage message;
  message.info.id = mail::QueueId{id};
  message.info.size = size;
  message.info.in_file = true;
  return message;
}

}  // namespace

TEST_CASE("a content file is read in pieces, and opened with the size it has to have") {
  Files files;
  files.make(7, "0123456789");
  std::optional<std::string> piece;
  files.access.read(in_file(7, 10).info, 3, 4, [&](auto bytes) { piece = bytes; });
  REQUIRE(files.until([&] { return piece.has_value(); }));
  CHECK(*piece == "3456");
  int opened = 0;
  int refused = 0;
  auto note = [&](const Result<OpenContent>& content) { ++(content ? opened : refused); };
  files.access.open(in_file(7, 10), note);
  files.access.open(in_file(7, 11), note);
  files.access.open(in_file(8, 10), note);
  REQUIRE(files.until([&] { return opened + refused == 3; }));
  CHECK(opened == 1);
}

TEST_CASE("parts of a message share its file, and each name goes by itself") {
  Files files;
  files.make(7, "body");
  std::optional<StoreStatus> kept;
  files.access.keep(with_parts(7, {8, 9}), [&](const StoreStatus& status) { kept = status; });
  REQUIRE(files.until([&] { return kept.has_value(); }));
  CHECK(kept->ok());
  files.access.remove(mail::QueueId{7});
  REQUIRE(files.until([&] { return !files.has(7); }));
  CHECK(files.has(8));
  CHECK(files.has(9));
  kept.reset();
  files.access.keep(with_parts(7, {10}), [&](const StoreStatus& status) { kept = status; });
  REQUIRE(files.until([&] { return kept.has_value(); }));
  CHECK_FALSE(kept->ok());
  // Without parts there is nothing to be done.
  kept.reset();
  files.access.keep(with_parts(7, {}), [&](const StoreStatus& status) { kept = status; });
  REQUIRE(kept.has_value());
  CHECK(kept->ok());
}

TEST_CASE("while a snapshot is made, files of settled messages stay") {
  Files files;
  files.make(7, "body");
  files.access.keep_files(true);
  files.access.remove(mail::QueueId{7});
  files.access.keep_files(false);
  REQUIRE(files.until([&] { return !files.has(7); }));
  files.make(8, "body");
  files.access.keep_files(true);
  files.access.remove(mail::QueueId{8});
  files.access.finish();
  CHECK(files.has(8));  // an orphan, which the next start removes
}

// Fault: an operator was told that the log says why, and it said nothing.
TEST_CASE("a header section that is gone is said in the log, whoever reads it") {
  Files files;
  files.make(7, "body");
  WorkingMessage message = in_file(7, 14);
  message.info.header_size = 10;
  std::string lines = logged_by(files.disk.folder.path() + "/log", [&] {
    bool answered = false;
    files.access.read(message.info, 0, 14, [&](auto bytes) {
      answered = true;
      CHECK_FALSE(bytes);
    });
    REQUIRE(files.until([&] { return answered; }));
  });
  CHECK(lines.find("content_unreadable") != std::string::npos);
}
