// Files: whole small ones (configuration, certificates), and what tools need. Not for message
// content, which is never held whole.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace postwain {

// A descriptor that closes itself.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release();
  void reset();

 private:
  int fd_ = -1;
};

constexpr std::size_t kSmallFileMax = 16U << 20;

// Fails for anything larger than max_bytes, and with the system's reason ("/x: No such file or
// directory").
Result<std::string> read_small_file(const std::string& path, std::size_t max_bytes = kSmallFileMax);
Result<std::string> read_small_fd(int fd, std::size_t max_bytes = kSmallFileMax);
Status write_all(int fd, std::string_view bytes);
// A new file of mode 0600 with the same bytes, synced; tells how many. A file that is there already
// is an error. For tools: it blocks as long as the file is large; on_bytes hears of each piece.
Result<std::uint64_t> copy_file(const std::string& from, const std::string& to,
                                const std::function<void(std::size_t)>& on_bytes = nullptr);
Status sync_folder(const std::string& path);  // the names in it
// Without symbolic links in it.
Result<std::string> real_path(const std::string& path);

// "what: strerror(number)" with the number as code.
Error system_error(std::string_view what, int number);

}  // namespace postwain
