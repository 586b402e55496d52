// The reporter's folder: what has been counted, and the letters (reports on their way to one place
// each) that nobody has taken yet. Small files, written whole, beside and then renamed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file.h"
#include "common/base/time.h"
#include "reporter/record.h"
#include "reporter/tally.h"

namespace postwain::reporter {

constexpr std::size_t kLettersMax = 100'000;

struct Letter {
  Place place;
  std::string domain;
  Day day{};
  std::string report;  // JSON
  WallTime made{};
  // The same for the same report and place.
  std::string name() const;
};

class Drawer {
 public:
  explicit Drawer(std::string folder) : folder_(std::move(folder)) {}

  // False: another process works here (the one before us, that is about to end).
  Result<bool> lock();
  Result<std::string> tally() const;  // "" when there is none
  Status save_tally(std::string_view text) const;
  Status put(const Letter& letter) const;
  void remove(const std::string& name) const;
  // Those that can be read; others are moved aside (".bad").
  std::vector<Letter> letters() const;

 private:
  Status write(const std::string& name, std::string_view text) const;

  std::string folder_;
  UniqueFd lock_;
};

}  // namespace postwain::reporter
