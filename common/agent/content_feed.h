// The content of one attempt when it is not in the lease: asked for chunk by chunk, at most
// kReadAhead chunks ahead of the wire, so that a large message is never whole in memory. Pure
// bookkeeping; who asks and who sends is agent.h and connection.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace postwain::agent {

class ContentFeed {
 public:
  static constexpr std::size_t kReadAhead = 2;

  explicit ContentFeed(std::uint64_t size) : size_(size) {}
  // From the beginning once more, after the last chunk has been taken.
  void start_again() {
    if (all_taken_) *this = ContentFeed(size_);
  }

  struct Request {
    std::uint64_t offset;
    std::uint32_t length;
  };
  // What to ask for next; nothing while enough is under way or held, or all has been asked for.
  std::optional<Request> next_request();
  // False when it is not what was asked for: the content cannot be trusted any more.
  [[nodiscard]] bool arrived(std::uint64_t offset, std::string_view bytes);

  bool has_chunk() const { return !held_.empty() || (size_ == 0 && !all_taken_); }
  struct Chunk {
    std::string bytes;
    bool last;
  };
  Chunk take();

 private:
  std::uint64_t size_;
  std::uint64_t requested_ = 0;  // bytes
  std::uint64_t received_ = 0;
  std::uint64_t taken_ = 0;
  std::size_t under_way_ = 0;  // requests
  bool all_taken_ = false;
  std::deque<std::string> held_;
};

}  // namespace postwain::agent
