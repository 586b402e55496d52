// The changes that a filter asks for at the end of one message, within bounds and within what the
// operator grants. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/milter/filter_answer.h"

namespace postwain::milter {

constexpr std::size_t kEditsMax = 1000;             // of one message, without pieces of a body
constexpr std::size_t kAddedHeaderMax = 256 << 10;  // octets of header fields
constexpr std::size_t kRecipientsAddedMax = 1000;

class EditList {
 public:
  // Bits of namespace action. All are granted at first.
  void allow(std::uint32_t actions) { allowed_ = actions; }
  // Begins another message.
  void clear();
  // False: these are too many, and the filter has failed. What is not granted is counted only.
  bool add(Edit edit);
  // What came since the last call.
  std::vector<Edit> take() { return std::exchange(edits_, {}); }
  // Changes of this message that were asked for and not granted.
  std::size_t refused() const { return refused_; }

 private:
  std::uint32_t allowed_ = action::kAll;
  std::vector<Edit> edits_;
  std::size_t count_ = 0;
  std::size_t added_header_ = 0;
  std::size_t added_recipients_ = 0;
  std::size_t refused_ = 0;
};

}  // namespace postwain::milter
