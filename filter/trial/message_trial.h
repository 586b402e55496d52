// `postwain filter test`: one message before the whole chain.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "filter/shared.h"

namespace postwain::filter {

constexpr std::size_t kTrialBodyMax = 1U << 20;  // of a new body that is reported whole

// A message and the session in which it comes.
struct TrialMessage {
  ipc::FilterSession session;
  std::string helo;
  bool known = false;  // ipc::FilterEvent::known
  std::string sender;
  std::vector<std::string> recipients;
  std::string_view header;  // its owner outlives whoever plays it
  std::string_view body;
};

// Plays smtpd until the chain has said its last word, or somebody else stops the loop. What was
// said, as JSON; texts that may hold any octets are base64.
std::string test_message(Shared& shared, TrialMessage message);

}  // namespace postwain::filter
