// What filters say, as outcomes of recipients, and when they are asked again. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/time.h"
#include "common/mail/outcome.h"

#include "qmgr/judging/filter_port.h"

namespace postwain::qmgr {

constexpr Duration kFilterPauseMin = std::chrono::seconds(10);  // doubled with each attempt
constexpr Duration kFilterPauseMax = std::chrono::minutes(10);

// filter: its name; empty: nobody knows which. A reply that is none of a refusal becomes one.
mail::Outcome refused_by(const std::string& filter, mail::Reply reply);
mail::Outcome put_off_by(const std::string& filter, const mail::Reply& reply);
// attempts: how often it has been put off, this time included.
Duration pause_after(std::uint32_t attempts);
// What counts instead of a result while none can be had.
Judged without_filters(config::FilterFailure on_failure);

}  // namespace postwain::qmgr
