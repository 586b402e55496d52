// How server and filter agree at the beginning of a connection (SMFIC_OPTNEG). Everything we can do
// is offered, whatever the operator allows: filters refuse to work with less. What they ask for is
// checked against the operator's word when they ask for it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/milter/macros.h"
#include "common/milter/protocol.h"

namespace postwain::milter {

struct Agreement {
  std::uint32_t version = 0;
  std::uint32_t actions = 0;   // that the filter may ask for
  std::uint32_t protocol = 0;  // bits it has set
  MacroLists macros;

  bool has(std::uint32_t protocol_bit) const { return (protocol & protocol_bit) != 0; }
  // Whether the filter hears of events of that stage, and whether it answers them.
  bool wants(Stage stage) const {
    const StageRule& rule = rule_of(stage);
    return version >= rule.since_version && !has(rule.not_wanted);
  }
  bool answers(Stage stage) const { return wants(stage) && !has(rule_of(stage).not_answered); }
};

void append_offer(std::string& out);

// data: of the filter's answer. Nothing: it is none, or the filter wants what we did not offer;
// why_not tells.
std::optional<Agreement> read_agreement(std::string_view data, std::string& why_not);

}  // namespace postwain::milter
