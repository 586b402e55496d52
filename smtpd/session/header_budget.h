// How many octets of header sections the sessions of this process keep together. A header section
// is judged as a whole and handed to qmgr behind the body, so it stays in memory until the message
// is over; each has a bound (kHeaderSectionMax), and this one is for all of them. The first kFree
// octets of each do not count, so that ordinary mail is never refused for what others hold. Pure.
#pragma once

#include <cstddef>

namespace postwain::smtpd {

class HeaderBudget {
 public:
  static constexpr std::size_t kFree = 32U << 10;
  static constexpr std::size_t kMax = 64U << 20;           // of all clients
  static constexpr std::size_t kStrangersMax = 24U << 20;  // of those that may not relay

  // What one session holds; gives it back when it ends.
  class Share {
   public:
    explicit Share(HeaderBudget& budget) : budget_(budget) {}
    ~Share() { clear(); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // The header section under way has grown to size; false: there is no room for that.
    bool grow(std::size_t size, bool stranger) {
      if (stranger_ != stranger) clear();
      stranger_ = stranger;
      std::size_t counted = size > kFree ? size - kFree : 0;
      std::size_t more = counted > held_ ? counted - held_ : 0;
      if (!budget_.take(more, stranger)) return false;
      held_ += more;
      return true;
    }
    // The message is over, or was dropped.
    void clear() {
      budget_.give_back(held_, stranger_);
      held_ = 0;
    }

   private:
    HeaderBudget& budget_;
    std::size_t held_ = 0;
    bool stranger_ = true;
  };

  std::size_t held() const { return held_; }

 private:
  bool take(std::size_t more, bool stranger) {
    if (held_ + more > kMax || (stranger && strangers_ + more > kStrangersMax)) return false;
    held_ += more;
    if (stranger) strangers_ += more;
    return true;
  }
  void give_back(std::size_t less, bool stranger) {
    held_ -= less;
    if (stranger) strangers_ -= less;
  }

  std::size_t held_ = 0;
  std::size_t strangers_ = 0;
};

}  // namespace postwain::smtpd
