#include <cerrno>
#include <memory>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/daemon/worker.h"
#include "common/exercise/exercises.h"
#include "common/exercise/helper.h"
#include "common/net/command.h"

namespace postwain::exercise {

namespace {

using Work = std::function<Status()>;

Work fails(Error error) {
  return [error] { return Status(error); };
}

// One file's life, as a queue or a folder of reports sees it.
Status live_through(const std::string& folder) {
  std::string path = folder + "/.selftest-" + std::to_string(::getpid());
  std::string second = path + ".2";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return system_error(path, errno);
  bool done = write_all(fd.get(), "content").ok() && ::fdatasync(fd.get()) == 0 &&
              ::ftruncate(fd.get(), 3) == 0 && ::fsync(fd.get()) == 0 &&
              ::link(path.c_str(), second.c_str()) == 0 &&
              ::rename(second.c_str(), path.c_str()) == 0;
  int error = errno;
  ::unlink(second.c_str());  // a rename onto another name of the same file does nothing
  bool removed = ::unlink(path.c_str()) == 0;
  if (!done) return system_error(path, error);
  if (!removed) return system_error(path, errno);
  return sync_folder(folder);
}

Status use_lent(int fd) {
  struct stat info {};
  char back[4] = {};
  bool done = ::pwrite(fd, "mail", 4, 0) == 4 &&
              ::sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE) == 0 && ::fstat(fd, &info) == 0 &&
              ::pread(fd, back, sizeof back, 0) == 4;
  return done ? Status() : system_error("a file that was lent", errno);
}

}  // namespace

daemon::Exercise loop() {
  return {"loop", "event loop and timers", [](const config::Config&) -> Work {
            auto loop = std::make_shared<net::Loop>();
            return [loop]() -> Status {
              bool woken = false;
              net::Timer timer(*loop);
              std::thread thread;
              net::Wakeup wakeup(*loop, [&] {
                woken = true;
                loop->stop();
              });
              timer.start(std::chrono::milliseconds(1),
                          [&] { thread = std::thread([&wakeup] { wakeup.notify(); }); });
              bool in_time = run_for_a_while(*loop);
              if (thread.joinable()) thread.join();
              return in_time && woken ? Status() : Error{"the event loop stands still", 0};
            };
          }};
}

daemon::Exercise threads() {
  return {"threads", "start of a thread", [](const config::Config&) -> Work {
            auto loop = std::make_shared<net::Loop>();
            return [loop]() -> Status {
              daemon::Worker worker(*loop, 1);
              bool done = false;
              bool taken = worker.run([&] {
                std::string much(8U << 20, 'x');  // memory of a thread's own
                return daemon::Worker::Completion([&, size = much.size()] {
                  done = size > 0;
                  loop->stop();
                });
              });
              bool in_time = taken && run_for_a_while(*loop);
              return in_time && done ? Status() : Error{"no thread does its work", 0};
            };
          }};
}

daemon::Exercise files(std::function<std::string(const config::Config&)> folder,
                       std::string_view name, std::string_view what) {
  return {name, what, [folder](const config::Config& config) -> Work {
            std::string path = folder(config);
            // Without such a folder the process does not run either.
            if (path.empty() || ::access(path.c_str(), F_OK) != 0) return [] { return Status(); };
            return [path] { return live_through(path); };
          }};
}

daemon::Exercise lent_file() {
  return {"lent", "a file that is lent", [](const config::Config&) -> Work {
            auto fd = std::make_shared<UniqueFd>(::memfd_create("selftest", MFD_CLOEXEC));
            if (!*fd) return fails(system_error("memfd_create", errno));
            return [fd] { return use_lent(fd->get()); };
          }};
}

daemon::Exercise runs_program() {
  return {"program", "running a program", [](const config::Config&) -> Work {
            auto loop = std::make_shared<net::Loop>();
            return [loop]() -> Status {
              Result<std::string> said = Error{"a program does not end", 0};
              net::Command command(*loop, {"/bin/echo", "done"}, std::chrono::seconds(5), 100,
                                   [&](Result<std::string> output) {
                                     said = std::move(output);
                                     loop->stop();
                                   });
              run_for_a_while(*loop);
              return said ? Status() : Status(said.error());
            };
          }};
}

}  // namespace postwain::exercise
