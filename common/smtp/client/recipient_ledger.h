// The recipients of one attempt, and which of them have their outcome: each gets exactly one. A
// second entry is refused, and so is closing while one is missing. Pure.
#pragma once

#include <cstddef>
#include <vector>

namespace postwain::smtp {

class RecipientLedger {
 public:
  explicit RecipientLedger(std::size_t recipients)
      : settled_(recipients, false), open_(recipients) {}

  // False, and nothing changes, when that recipient has its outcome already or does not exist.
  [[nodiscard]] bool settle(std::size_t recipient) {
    if (recipient >= settled_.size() || settled_[recipient]) return false;
    settled_[recipient] = true;
    --open_;
    return true;
  }
  bool settled(std::size_t recipient) const {
    return recipient < settled_.size() && settled_[recipient];
  }
  std::size_t size() const { return settled_.size(); }
  std::size_t open() const { return open_; }
  // False while an outcome is missing.
  [[nodiscard]] bool close() const { return open_ == 0; }

 private:
  std::vector<bool> settled_;
  std::size_t open_;
};

}  // namespace postwain::smtp
