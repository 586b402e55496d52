// What a session awaits, until when, and what follows when that does not come. A session awaits one
// thing at any time: something of its client (the next command, content, a TLS handshake), or
// something of others that an answer to the client depends on (the DNS, the next hop, a login
// backend, qmgr). The table of these things stands in wait.cc. A deadline is compared once a second
// instead of a timer per command. Pure: time is told.
//
// A command must be complete within command_timeout of the reply before it; bytes that drip in do
// not prolong that. Content must keep coming within data_timeout, and not slower than kContentRate
// on the whole, or a peer could hold a session open for days with a byte now and then.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "common/base/time.h"

namespace postwain::smtpd {

constexpr std::uint64_t kContentRate = 500;  // octets per second
constexpr int kContentGrace = 5;             // data_timeouts before the rate counts
constexpr Duration kOthersTimeout = std::chrono::minutes(3);  // for what is not the client's
// The process `filter` keeps the limits of each filter; these are for when it does not.
constexpr Duration kFilterTimeout = std::chrono::minutes(15);
constexpr Duration kHandshakeTimeout = std::chrono::seconds(60);

enum class Awaited : std::uint8_t {
  // Of the client:
  handshake,
  command,
  login_response,   // the next line of a login
  content,          // of a message that qmgr takes
  refused_content,  // of one that qmgr has refused: read to its end, for nobody
  // Of others:
  window,       // qmgr's file takes more of the content, which is not read until then
  queue_reply,  // qmgr's reply to the whole content
  lookups,      // what the DNS says of the client, for MAIL
  probe,        // what the next hop says of the recipient, for RCPT
  login_step,   // what the login backend says
  login_delay,  // the moment at which the answer to a login may leave
  filter,       // what the filters say of a command
  judgement,    // what the filters say of a whole message
};
constexpr std::size_t kAwaitedKinds = 13;

// What happens when the time is over.
enum class Overdue : std::uint8_t {
  refuse,   // the client hears 421, and the session ends
  end,      // the session ends without another word
  resolve,  // WaitEnds::overdue answers in the place of what did not come
};

struct WaitRule {
  Awaited what;
  Overdue overdue;
  bool outlasts_drain;   // a process that is to stop lets the client have the reply first
  bool outlasts_client;  // a client that has already sent its end still gets the reply
  std::string_view why;  // why the session ends, for the log; Overdue::end only
};

// How a wait ends when what is awaited does not come. At most one of the two is called, once, and
// neither when the next wait has begun. Either may begin the next wait.
struct WaitEnds {
  // The session is over. What is awaited must not reach it any more.
  std::function<void()> cancel{};
  // The time is over: gives the session another answer. Overdue::resolve only.
  std::function<void()> overdue{};
};

class Wait {
 public:
  Wait(Duration command_timeout, Duration data_timeout)
      : command_timeout_(command_timeout), data_timeout_(data_timeout) {}

  // From now on this is awaited instead of what was awaited before, with its whole time.
  void begin(Awaited what, MonoTime now, WaitEnds ends = {});
  // Content arrived. Nothing happens while no content is awaited.
  void progress(std::uint64_t octets, MonoTime now);
  void cancel();   // calls WaitEnds::cancel
  void resolve();  // calls WaitEnds::overdue; the rule says Overdue::resolve

  Awaited what() const { return what_; }
  const WaitRule& rule() const;
  bool is_overdue(MonoTime now) const { return now >= deadline_; }
  // The client's content, or that there is room for more of it.
  bool is_for_content() const;

 private:
  Duration time_for(Awaited what) const;

  Duration command_timeout_;
  Duration data_timeout_;
  Awaited what_ = Awaited::command;
  std::uint64_t received_ = 0;  // octets of content since the wait began
  MonoTime begun_{};
  MonoTime deadline_{};
  WaitEnds ends_;
};

}  // namespace postwain::smtpd
