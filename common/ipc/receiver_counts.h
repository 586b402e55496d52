// What an smtpd counts for the metrics: names by number, so that its increments travel as numbers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace postwain::ipc {

enum class Counted : std::uint8_t {
  sessions,
  turned_away,  // connections beyond a limit
  tls12,        // sessions that went over to TLS
  tls13,
  tls_failed,  // handshakes
  logins,
  logins_failed,
  logins_locked,
  logins_trouble,
  refused_mail,     // at MAIL
  refused_rcpt,     // at RCPT
  refused_content,  // what was said behind it
  refused_queue,    // anywhere: the queue takes nothing now
  replies_2xx,
  replies_3xx,
  replies_4xx,
  replies_5xx,
  srs_taken,  // recipients that are senders rewritten here (SRS)
  srs_expired,
  srs_forged,
  srs_no_notice,  // that take notices only, which it was not
  count_          // how many there are
};
constexpr std::size_t kCounted = static_cast<std::size_t>(Counted::count_);
using ReceiverNumbers = std::array<std::uint64_t, kCounted>;

}  // namespace postwain::ipc
