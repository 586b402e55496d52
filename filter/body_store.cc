#include "filter/body_store.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace postwain::filter {

BodyStore::~BodyStore() {
  give_memory_back();
}

void BodyStore::give_memory_back() {
  room_.in_memory -= memory_.size();
  std::string().swap(memory_);
}

Status BodyStore::append(std::string_view octets) {
  bool fits = size_ + octets.size() <= kBodyInMemoryMax &&
              room_.in_memory + octets.size() <= kBodiesInMemoryMax;
  if (!file_ && !fits) {
    if (Status moved = move_to_file(); !moved) return moved;
  }
  size_ += octets.size();
  if (file_) return write_all(file_.get(), octets);
  memory_ += octets;
  room_.in_memory += octets.size();
  return {};
}

Status BodyStore::move_to_file() {
  file_ = UniqueFd(::open(room_.folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file_) return system_error(room_.folder, errno);
  Status written = write_all(file_.get(), memory_);
  give_memory_back();
  return written;
}

Result<std::string> BodyStore::read(std::uint64_t from, std::size_t most) const {
  std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(most, size_ - from));
  if (!file_) return memory_.substr(static_cast<std::size_t>(from), wanted);
  std::string out(wanted, '\0');
  std::size_t have = 0;
  while (have < wanted) {
    ssize_t n =
        ::pread(file_.get(), out.data() + have, wanted - have, static_cast<off_t>(from + have));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? system_error("read", errno) : Error{"the kept body is too short"};
    have += static_cast<std::size_t>(n);
  }
  return out;
}

}  // namespace postwain::filter
