// What a policy service is told at one stage of a session: the attributes of Postfix's
// SMTPD_POLICY_README, each with the value that it has there; unknown ones are empty, or 0. Pure.
#pragma once

#include <string>

#include "filter/chain_member.h"

namespace postwain::filter {

// recipient: with brackets, of the RCPT that is asked about. instance: the same for all questions
// about one attempt at a message, and another one for the next.
std::string policy_question(const SessionFacts& facts, ipc::FilterStage stage,
                            const std::string& recipient, const std::string& instance);

}  // namespace postwain::filter
