// What a policy service must be granted (`may`) for an answer of its to count. Pure.
#pragma once

#include <optional>

#include "common/config/table/filter.h"
#include "common/policy_service/policy_answer.h"

namespace postwain::filter {

// Nothing: the answer does nothing to anybody.
constexpr std::optional<config::FilterRight> right_for(policy_service::Action action) {
  using policy_service::Action;
  switch (action) {
    case Action::none:
    case Action::permit:
    case Action::remark:
    case Action::mistake:
      break;
    case Action::refuse:
      return config::FilterRight::refuse;
    case Action::defer:
    case Action::hang_up:
    case Action::defer_if_permit:
    case Action::defer_if_reject:
      return config::FilterRight::defer;
    case Action::hold:
      return config::FilterRight::hold;
    case Action::discard:
      return config::FilterRight::discard;
    case Action::redirect:
    case Action::blind_copy:
      return config::FilterRight::recipients;
    case Action::prepend:
      return config::FilterRight::headers;
  }
  return std::nullopt;
}

}  // namespace postwain::filter
