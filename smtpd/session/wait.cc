#include "smtpd/session/wait.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace postwain::smtpd {

namespace {

constexpr bool yes = true;
constexpr bool no = false;

// clang-format off
constexpr WaitRule kWaitRules[kAwaitedKinds] = {
    //                         overdue           outlasts drain, client
    {Awaited::handshake,       Overdue::resolve, no,  no,  {}},
    {Awaited::command,         Overdue::refuse,  no,  no,  {}},
    {Awaited::login_response,  Overdue::refuse,  no,  no,  {}},
    {Awaited::content,         Overdue::refuse,  yes, no,  {}},
    {Awaited::refused_content, Overdue::refuse,  no,  no,  {}},
    {Awaited::window,          Overdue::resolve, yes, no,  {}},
    {Awaited::queue_reply,     Overdue::resolve, yes, yes, {}},
    {Awaited::lookups,         Overdue::end,     yes, no,  "timed out"},
    {Awaited::probe,           Overdue::end,     yes, no,  "no answer about a recipient in time"},
    {Awaited::login_step,      Overdue::resolve, no,  no,  {}},
    {Awaited::login_delay,     Overdue::end,     no,  no,  "timed out"},
    {Awaited::filter,          Overdue::resolve, yes, no,  {}},
    {Awaited::judgement,       Overdue::resolve, yes, yes, {}},
};
// clang-format on

constexpr bool in_order() {
  for (std::size_t i = 0; i < kAwaitedKinds; ++i)
    if (kWaitRules[i].what != static_cast<Awaited>(i)) return false;
  return true;
}
static_assert(in_order());

}  // namespace

const WaitRule& Wait::rule() const {
  return kWaitRules[static_cast<std::size_t>(what_)];
}

bool Wait::is_for_content() const {
  return what_ == Awaited::content || what_ == Awaited::refused_content || what_ == Awaited::window;
}

Duration Wait::time_for(Awaited what) const {
  switch (what) {
    case Awaited::handshake:
      return kHandshakeTimeout;
    case Awaited::command:
    case Awaited::login_response:
      return command_timeout_;
    case Awaited::content:
    case Awaited::refused_content:
      return data_timeout_;
    case Awaited::filter:
    case Awaited::judgement:
      return kFilterTimeout;
    case Awaited::window:
    case Awaited::queue_reply:
    case Awaited::lookups:
    case Awaited::probe:
    case Awaited::login_step:
    case Awaited::login_delay:
      break;
  }
  return kOthersTimeout;
}

void Wait::begin(Awaited what, MonoTime now, WaitEnds ends) {
  what_ = what;
  received_ = 0;
  begun_ = now;
  deadline_ = now + time_for(what);
  ends_ = std::move(ends);
  PW_CHECK((rule().overdue == Overdue::resolve) == static_cast<bool>(ends_.overdue));
}

void Wait::progress(std::uint64_t octets, MonoTime now) {
  if (what_ != Awaited::content && what_ != Awaited::refused_content) return;
  received_ += octets;
  MonoTime slowest =
      begun_ + kContentGrace * data_timeout_ + std::chrono::seconds(received_ / kContentRate);
  deadline_ = std::min(now + data_timeout_, slowest);
}

// What is called may begin another wait, and so replace itself: hence it is moved away first.
void Wait::cancel() {
  WaitEnds ends = std::exchange(ends_, {});
  if (ends.cancel) ends.cancel();
}

void Wait::resolve() {
  PW_CHECK(rule().overdue == Overdue::resolve);
  WaitEnds ends = std::exchange(ends_, {});
  if (ends.overdue) ends.overdue();
}

}  // namespace postwain::smtpd
