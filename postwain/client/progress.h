// How far a long command is: one line on standard error, rewritten a few times a second, and only
// where a person reads it (a terminal).
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace postwain::tool {

class Progress {
 public:
  // total 0: not known.
  Progress(std::string what, std::size_t total);
  ~Progress() { end(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void step(std::size_t count = 1) { reach(done_ + count); }
  void reach(std::size_t done);
  void end();  // removes the line

 private:
  std::string what_;
  std::size_t total_;
  std::size_t done_ = 0;
  bool terminal_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace postwain::tool
