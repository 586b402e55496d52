#include "smtpd/queue_link/content_writer.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace postwain::smtpd {

namespace {

constexpr std::size_t kJobsMax = 20000;  // each session has one at most
// After so much the disk is set to work, so that the sync at the end does not find it all to do.
constexpr std::uint64_t kStretch = 1U << 20;

Status empty(LentFile& file) {
  if (::ftruncate(file.descriptor.get(), 0) != 0 ||
      ::lseek(file.descriptor.get(), 0, SEEK_SET) != 0)
    return system_error("content file", errno);
  file.written = 0;
  file.on_its_way = 0;
  return {};
}

Status append(LentFile& file, std::string_view bytes) {
  if (Status s = write_all(file.descriptor.get(), bytes); !s) return s;
  file.written += bytes.size();
  std::uint64_t waits = file.written - file.on_its_way;
  if (waits < kStretch) return {};
  // Only a hint; what it cannot do the sync does.
  (void)::sync_file_range(file.descriptor.get(), static_cast<off64_t>(file.on_its_way),
                          static_cast<off64_t>(waits), SYNC_FILE_RANGE_WRITE);
  file.on_its_way = file.written;
  return {};
}

}  // namespace

ContentWriter::ContentWriter(net::Loop& loop) : worker_(loop, kJobsMax) {}

void ContentWriter::write(std::shared_ptr<LentFile> file, std::string bytes, bool anew, Done done) {
  auto buffer = std::make_shared<std::string>(std::move(bytes));
  auto finish = std::make_shared<Done>(std::move(done));
  bool taken = worker_.run([file = std::move(file), buffer, finish, anew] {
    Status status = anew ? empty(*file) : Status();
    if (status) status = append(*file, *buffer);
    buffer->clear();
    return [status, buffer, finish] { (*finish)(status, std::move(*buffer)); };
  });
  if (!taken) (*finish)(system_error("too much to write", EBUSY), {});
}

}  // namespace postwain::smtpd
