// What a peer's temporary refusal says about when to come back. Pure text work.
//
// "Try again in 300 seconds", "retry after 5 minutes", "come back in 00:04:59": a number with a
// unit (or a clock) near a word that asks to come back; anything else is no hint. Nothing beyond
// kHintTextMax is looked at.
#pragma once

#include <optional>
#include <string_view>

#include "common/base/time.h"
#include "common/mail/reply.h"

namespace postwain::qmgr {

constexpr std::size_t kHintTextMax = 2048;

// As the text says it, unbounded but for its digits; the caller sets bounds.
std::optional<Duration> retry_hint(std::string_view text);

// A refusal that only wants to see whether we come back.
bool is_greylisting(const mail::Reply& reply);

}  // namespace postwain::qmgr
