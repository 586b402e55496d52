// What a process has seen and will tell, for reports that are made elsewhere: results that are
// alike are counted together until they are taken. What goes beyond the bound is not counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

namespace postwain::mail {

constexpr std::size_t kNotesBytesMax = 16U << 20;  // of different results
constexpr std::size_t kNotesInFrame = 256U << 10;  // bytes, and one more result

// Counted has a `result` and its `count`; bytes_of() of a result says what one takes.
template <class Counted, class Order = std::less<>>
class ResultNotes {
 public:
  using Result = decltype(Counted::result);

  void add(Result result) {
    auto found = counts_.find(result);
    if (found != counts_.end()) {
      ++found->second;
      return;
    }
    std::size_t bytes = bytes_of(result);
    if (bytes_ + bytes > kNotesBytesMax) return;
    bytes_ += bytes;
    counts_.emplace(std::move(result), 1);
  }

  // Takes the next ones to be told; empty: that is all.
  std::vector<Counted> take() {
    std::vector<Counted> out;
    std::size_t taken = 0;
    while (!counts_.empty() && taken < kNotesInFrame) {
      auto node = counts_.extract(counts_.begin());
      taken += bytes_of(node.key());
      out.push_back({std::move(node.key()), node.mapped()});
    }
    bytes_ -= taken;
    return out;
  }

 private:
  std::map<Result, std::uint64_t, Order> counts_;
  std::size_t bytes_ = 0;  // of the results
};

}  // namespace postwain::mail
