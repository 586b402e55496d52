// Whose mail a destination breaks off on. A 421 or a hang-up behind MAIL says that this attempt is
// over, not why: the server may be going away, or it may end every session in which it sees one
// sender, or every one that reaches one mailbox. So such ends are counted by whom they follow, and
// what follows somebody is held against him alone. Pure; one object per destination or MX set.
//
// Held together, each with a breaker of its own (its first step after kSuspectMessages messages
// without one success between them, the same steps as a destination's): one sender towards one
// recipient; one sender; one recipient; one sender's domain. The narrowest that explains what was
// seen is held. What is left when everybody held, the worst domain and the worst recipient are
// taken away is the destination's own trouble, once there are as many messages of it.
//
// Bounded in entries and in age; lives in memory only. A new start learns it again within as many
// messages.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/time.h"
#include "common/mail/address.h"
#include "common/mail/queue_id.h"

#include "qmgr/scheduling/destination_health.h"

namespace postwain::qmgr {

constexpr std::size_t kSuspectMessages = kCohort;
constexpr std::size_t kSuspectsHeldMax = 32;
constexpr std::size_t kBreaksKept = 64;
constexpr Duration kBreakKept = std::chrono::hours(2);
constexpr std::size_t kSuspectReasonMax = 200;

// Whom an attempt was for, as numbers to compare. recipient is 0 where it had several.
struct Marks {
  std::uint32_t sender = 0;
  std::uint32_t domain = 0;  // of the sender
  std::uint32_t recipient = 0;
};
std::uint32_t mark_of(const mail::Address& address);
// of: the sender's; its recipient is 0.
Marks marks_of(const mail::Address& sender);

class Suspects {
 public:
  // An attempt broke off behind MAIL. True: that is the destination's own trouble.
  struct Steps {
    const BreakerSteps& steps;
    const std::vector<Duration>& retry;  // the n-th hold is no longer than its n-th delay
    double unit;                         // random in [0, 1)
  };
  bool broke_off(mail::QueueId message, const Marks& marks, std::string_view reason, WallTime now,
                 const Steps& steps);
  // What that call has begun to hold, or holds for longer; to be told.
  enum class Kind : std::uint8_t { pair, sender, recipient, domain };
  struct News {
    Kind kind;
    WallTime until{};
  };
  std::optional<News> take_news() { return std::exchange(news_, std::nullopt); }
  // Somebody got through: nothing is held against him any more.
  void succeeded(const Marks& marks);
  // The attempt said nothing. If it was to show whether a hold is over, another one may.
  void undecided(mail::QueueId message, WallTime now);

  // Nothing was broken off lately: all other questions may be left out.
  bool idle() const { return breaks_.empty() && held_.empty(); }
  struct Hold {
    WallTime until{};
    std::string_view reason;  // of the last one that broke off
  };
  // Mail like this is to wait. When a hold is over the first that asks goes, and the others wait
  // for what becomes of it.
  std::optional<Hold> hold(mail::QueueId message, const Marks& marks, WallTime now,
                           const Steps& steps);
  // How many breaks speak against it; to find the one with the fewest.
  unsigned weight(mail::QueueId message, const Marks& marks) const;
  std::size_t held() const { return held_.size(); }

 private:
  struct Break {
    mail::QueueId message;
    Marks marks;
    WallTime at{};
    bool counts = true;  // against the destination: nobody has got through since
  };
  struct Held {
    Kind kind;
    Marks marks;
    std::uint32_t opens = 0;
    WallTime until{};
    mail::QueueId trial{};
    std::string reason;
  };
  static bool matches(Kind kind, const Marks& whose, const Marks& marks);
  bool find_suspect(const Break& last, std::string_view reason, WallTime now, const Steps& steps);
  bool is_spread() const;
  static Duration length(std::uint32_t opens, const Steps& steps);
  void forget_old(WallTime now);

  std::deque<Break> breaks_;
  std::vector<Held> held_;
  std::optional<News> news_;
};
std::string_view name_of(Suspects::Kind kind);

}  // namespace postwain::qmgr
