// The ARC sets of a header section (RFC 8617 4.2): one for each host that passed the message on and
// said what it had found, numbered from 1 by their tag i.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/authentication/dkim/header_list.h"

namespace postwain::authentication::arc {

constexpr std::size_t kSetsMax = 50;  // RFC 8617 4.2.1

constexpr std::string_view kResultsField = "ARC-Authentication-Results";
constexpr std::string_view kMessageField = "ARC-Message-Signature";
constexpr std::string_view kSealField = "ARC-Seal";

// What a seal says of the sets before it (RFC 8617 4.1.3).
enum class ChainValue : std::uint8_t { none, pass, fail, unknown };

// Places of the three fields in the section.
struct ArcSet {
  std::size_t results = 0;
  std::size_t message = 0;
  std::size_t seal = 0;
  ChainValue chain = ChainValue::unknown;  // cv= of the seal
};

struct ArcSets {
  std::vector<ArcSet> sets{};  // of instance 1 first; empty: the message has none
  // What is wrong with their structure (RFC 8617 5.2, steps 1 to 3), in a constant text; empty: it
  // is right, and each set is whole.
  std::string_view trouble{};
};
ArcSets collect_sets(const dkim::HeaderList& header);

}  // namespace postwain::authentication::arc
