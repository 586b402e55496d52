// What the filters said of one message, as it travels from smtpd to qmgr and lies in the history: a
// few octets with a bound, whose first one is the version of their coding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ipc/filter_messages.h"
#include "common/ipc/messages.h"

namespace postwain::ipc {

constexpr std::size_t kJudgementsMax = 4096;  // octets, coded
constexpr std::size_t kDiscarderMax = 64;     // octets of the name of a filter
constexpr std::size_t kDiscardedHeaderMax = 64U << 10;

struct Judgements {
  std::vector<FilterJudgement> list;
  bool cut = false;  // something was left out because it had no room
};

// At most kJudgementsMax octets: first scores are left out, then the ends of texts, then the last
// judgements, and that is marked. Control characters become question marks. No judgement: empty.
std::string encode_judgements(const std::vector<FilterJudgement>& list);
// Nothing: it is malformed, too long, or coded by a newer version. Empty octets: no judgement.
std::optional<Judgements> decode_judgements(std::string_view octets);

// In front of the end of a transaction of that id, by smtpd: what the filters said of it.
struct Judged {
  static constexpr FrameType kType = FrameType::judged;
  mail::QueueId id;
  std::string_view judgements;  // encode_judgements()
};

// A message that a filter discarded: smtpd has told its client that all is well, and nothing of it
// is queued. For the history only.
struct Discarded {
  static constexpr FrameType kType = FrameType::discarded;
  mail::QueueId id;
  mail::Envelope envelope;
  Arrival arrival;
  std::uint64_t size = 0;
  std::string filter;
  std::string_view header;  // as much of the header section as kDiscardedHeaderMax
  std::string_view judgements;
};

}  // namespace postwain::ipc
