// The body of one message, kept for the filters behind the first one, or given anew by a filter:
// small ones in memory, larger ones in blocks of the scratch file. Writes and reads go to the page
// cache; they are made on the loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "filter/scratch_file.h"

namespace postwain::filter {

constexpr std::size_t kBodyInMemoryMax = 1U << 20;     // of one body
constexpr std::size_t kBodiesInMemoryMax = 64U << 20;  // of all together

// What all bodies of this process share.
struct BodyRoom {
  ScratchFile file{};
  std::size_t in_memory = 0;
};

class BodyStore {
 public:
  explicit BodyStore(BodyRoom& room) : room_(room) {}
  ~BodyStore();
  BodyStore(const BodyStore&) = delete;
  BodyStore& operator=(const BodyStore&) = delete;

  // After a failure the body is of no more use.
  Status append(std::string_view octets);
  std::uint64_t size() const { return size_; }
  // Up to `most` octets from there, not beyond size(); at least one, where there is one.
  Result<std::string> read(std::uint64_t from, std::size_t most) const;

 private:
  Status append_to_file(std::string_view octets);
  void give_memory_back();

  BodyRoom& room_;
  std::string memory_;                 // or
  std::vector<std::uint32_t> blocks_;  // of the file
  std::uint64_t size_ = 0;
};

}  // namespace postwain::filter
