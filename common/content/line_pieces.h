// Text that comes in pieces, line by line, with bounded memory: a longer line comes in pieces of
// its own. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postwain::mail {

constexpr std::size_t kLinePieceMax = 4096;

struct LinePiece {
  std::string_view text;  // without its line end
  bool begins = true;     // a line begins with it
  bool ends = true;       // and ends; else another piece of it follows
};

class LinePieces {
 public:
  // visit(LinePiece) for each line or piece that is whole; views live until it returns. LF ends a
  // line, and a CR before it goes along.
  template <class Visit>
  void take(std::string_view octets, Visit&& visit) {
    while (!octets.empty()) {
      std::size_t lf = octets.find('\n');
      std::size_t room = kLinePieceMax - line_.size();
      std::size_t end = lf == std::string_view::npos ? octets.size() : lf;
      std::size_t taken = end < room ? end : room;
      line_ += octets.substr(0, taken);
      octets.remove_prefix(taken);
      if (octets.empty()) return;  // what comes next tells whether the line ends here
      bool ended = octets.front() == '\n';
      if (ended) octets.remove_prefix(1);
      give(ended, visit);
    }
  }
  // No more will come.
  template <class Visit>
  void finish(Visit&& visit) {
    if (!line_.empty()) give(true, visit);
    *this = {};
  }

 private:
  template <class Visit>
  void give(bool ended, Visit& visit) {
    std::string_view text = line_;
    if (ended && !text.empty() && text.back() == '\r') text.remove_suffix(1);
    visit(LinePiece{text, !goes_on_, ended});
    goes_on_ = !ended;
    line_.clear();
  }

  std::string line_;
  bool goes_on_ = false;  // a piece of this line has been given
};

}  // namespace postwain::mail
