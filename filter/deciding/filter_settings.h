// What the operator says of one outside filter. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/ipc/filter_messages.h"
#include "common/mail/reply.h"

namespace postwain::filter {

// What becomes of a message when the filter fails.
enum class OnFailure : std::uint8_t { accept, defer, refuse, hold };
// watch: the filter is asked and what it says is written down; nothing of it counts.
enum class Mode : std::uint8_t { enforce, watch };

// What the filter may do, as bits.
namespace may {
constexpr std::uint32_t kHeaders = 1U << 0;
constexpr std::uint32_t kBody = 1U << 1;
constexpr std::uint32_t kRecipients = 1U << 2;
constexpr std::uint32_t kSender = 1U << 3;
constexpr std::uint32_t kRefuse = 1U << 4;
constexpr std::uint32_t kDefer = 1U << 5;
constexpr std::uint32_t kDiscard = 1U << 6;
constexpr std::uint32_t kHold = 1U << 7;
constexpr std::uint32_t kAll = (1U << 8) - 1;
}  // namespace may

struct FilterSettings {
  std::string name;
  std::string socket;           // "unix:/run/x.sock", "127.0.0.1:11332", "[::1]:11332"
  std::vector<std::string> on;  // kinds or names of listeners
  Duration timeout_connect = std::chrono::seconds(5);
  Duration timeout_reply = std::chrono::seconds(30);   // one answer; "still at work" begins it anew
  Duration timeout_message = std::chrono::minutes(5);  // all waits of one message together
  OnFailure on_failure = OnFailure::defer;
  Mode mode = Mode::enforce;
  std::uint32_t may = may::kAll;

  bool is_on(std::string_view listener, ipc::FilterKind kind) const;
  // Of namespace milter::action: what the filter may ask for at the end of a message.
  std::uint32_t milter_actions() const;
  bool allows(ipc::FilterVerdict verdict) const;
};

// What the client hears where the filter has failed, 451 4.7.1 or 554 5.7.1, or gave a verdict
// without words. Code 0: nothing, the message goes on.
mail::Reply failure_reply(OnFailure on_failure);
mail::Reply plain_reply(ipc::FilterVerdict verdict);

}  // namespace postwain::filter
