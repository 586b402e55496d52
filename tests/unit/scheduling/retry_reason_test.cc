// What an operator is told of the time of the next attempt.
#include <catch2/catch.hpp>

#include "qmgr/verdicts/retry_reason.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;

TEST_CASE("why the next attempt is when it is") {
  MessageInfo message;
  message.id = mail::QueueId{1};
  message.arrival.received_at = test::at(0);
  std::vector<Duration> delays = {std::chrono::minutes(1), std::chrono::minutes(5)};
  RetryRules rules;
  rules.lifetimes = {std::chrono::hours(1), std::chrono::minutes(30)};
  rules.delays = &delays;
  RecipientFacts before;
  auto why = [&](std::uint32_t attempts, WallTime next, WallTime now) {
    before.attempts = attempts - 1;
    RecipientChange change;
    change.attempts = attempts;
    change.next_attempt_at = next;
    return retry_reason(message, before, change, rules, now);
  };
  CHECK(why(1, test::at(60000), test::at(0)) == "1m after attempt 1, step 1 of 2 of the schedule");
  CHECK(why(9, test::at(300000), test::at(0)) == "5m after attempt 9, step 2 of 2 of the schedule");
  CHECK(why(2, test::at(1800000), test::at(1700000)) ==
        "5m after attempt 2, step 2 of 2 of the schedule; brought forward to the time of the delay "
        "warning");
  CHECK(why(2, test::at(3600000), test::at(3500000)).find("end of its lifetime") !=
        std::string::npos);
  RecipientChange unused;
  before.attempts = unused.attempts = 4;
  CHECK(retry_reason(message, before, unused, rules, test::at(0)).find("does not count") !=
        std::string::npos);
}
