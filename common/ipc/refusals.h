// What smtpd refused, told to qmgr for the history (`postwain trace`): every few seconds, equal
// ones once with their number. Lost frames are lost: no mail hangs on them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/ipc/messages.h"
#include "common/mail/reply.h"

namespace postwain::ipc {

constexpr std::size_t kRefusalsInFrame = 500;  // more makes the frame malformed
constexpr std::size_t kRefusalTextMax = 512;   // of each text; longer ones are cut

struct Refusal {
  std::int64_t at = 0;      // Unix time in ms, of the last of them
  std::uint32_t count = 1;  // how many
  std::string client;       // IP address; empty for a Unix socket
  std::string name;         // what it called itself
  std::string listener;     // config::Listener::name()
  std::string sender;       // as far as they are known; empty also where many were put together
  std::string recipient;
  std::string stage;  // "connect", "EHLO", "MAIL", "RCPT", "DATA", "content" …
  mail::Reply reply;
  std::string reason;  // the same word as in the log
  // What filters said of it (encode_judgements()), kJudgementsMax octets; of equal ones the last.
  std::string judgements{};
};

struct Refusals {
  static constexpr FrameType kType = FrameType::refusals;
  std::vector<Refusal> refusals;
};

}  // namespace postwain::ipc
