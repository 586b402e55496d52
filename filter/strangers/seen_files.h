// The two files of a GreylistTable: they are opened before the process gives up its files, and
// written in turn, so that one of them is whole whenever the process or the machine ends. What is
// written carries a number that grows; the larger one counts, if it is not damaged. Without them
// the table lives in memory only.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "common/base/file.h"
#include "common/base/result.h"

namespace postwain::filter {

class SeenFiles {
 public:
  // Makes them where they are not there yet.
  Status open(const std::string& folder);
  bool is_open() const { return static_cast<bool>(files_[0]); }

  // The whole content of one of the two; empty: there is none.
  Result<std::string> read(std::size_t which) const;
  // Its number, without reading all; 0: none.
  std::uint64_t generation(std::size_t which) const;
  Status write(std::size_t which, std::string_view snapshot) const;

 private:
  std::array<UniqueFd, 2> files_;
};

}  // namespace postwain::filter
