// Attempts that are signed before they are sent (signing/signing.h).
#include "common/agent/agent.h"

namespace postwain::agent {

void Agent::signing_done(Attempt& attempt) {
  destination_for(attempt.lease()).add(attempt);
}

void Agent::signing_failed(Attempt& attempt, const mail::Outcome& outcome) {
  attempt.account_waiting();
  settle_all(services_, attempt, outcome);
}

void Agent::tell_of_content(Attempt& attempt, bool came) {
  if (signing_.has(attempt))
    came ? signing_.content_came(attempt) : signing_.content_lost(attempt);
  else if (attempt.connection != nullptr)
    came ? attempt.connection->content_arrived() : attempt.connection->content_failed();
}

}  // namespace postwain::agent
