// Breakers that several nodes share: what another node has done to them, and trials that have to be
// granted.
#include <catch2/catch.hpp>

#include "tests/unit/scheduling/scheduler_support.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

const DestinationSettings kPlain{Pool::smtp, false, 0, 0, {}};

// One destination with three jobs, whose breaker holds until at(100); trials have to be granted.
struct Shared {
  explicit Shared(const std::string& hosts = {}) {
    s.ask_for_trials();
    d = s.destination("mx:a", kPlain);
    if (!hosts.empty()) s.associate(d, hosts, at(0));
    for (std::uint64_t id = 1; id <= 3; ++id) give(s, d, job(id), at(0));
    s.restore_breaker(d, {"mx:a", 1, at(0), at(100), ""}, at(0));
  }
  std::optional<Pick> next(WallTime now) {
    s.advance(now);
    return s.next(Pool::smtp, now);
  }
  Scheduler s = make_scheduler();
  DestinationId d = 0;
};

const BreakerName kOwn{"mx:a", false};
const BreakerName kHosts{"mx1.a", true};
using Names = std::vector<BreakerName>;

}  // namespace

TEST_CASE("a trial is asked for when the hold is over, and begins when it is granted") {
  Shared one;
  CHECK_FALSE(one.next(at(99)));
  CHECK(one.s.take_trials_wanted().empty());
  CHECK_FALSE(one.next(at(100)));
  CHECK(one.s.take_trials_wanted() == Names{kOwn});
  CHECK_FALSE(one.next(at(101)));
  CHECK(one.s.take_trials_wanted().empty());  // once
  CHECK(one.s.trial_use(kOwn) == TrialUse::none);
  one.s.grant_trial(kOwn, at(101));
  CHECK(one.s.trial_use(kOwn) == TrialUse::waiting);
  std::optional<Pick> pick = one.next(at(101));
  REQUIRE(pick);
  CHECK(pick->trial);
  CHECK(one.s.trial_use(kOwn) == TrialUse::running);
  CHECK_FALSE(one.next(at(101)));
  SECTION("it succeeds") {
    CHECK(one.s.finished(*pick, AttemptEnd::reached, at(102)).destination);
    CHECK(one.s.trial_use(kOwn) == TrialUse::none);
    CHECK(one.next(at(102)));
  }
  SECTION("it fails: the next hold has a trial of its own") {
    CHECK(one.s.finished(*pick, AttemptEnd::unreachable, at(102)).destination);
    CHECK(one.s.trial_use(kOwn) == TrialUse::none);
    WallTime over = one.s.health(one.d).hold_until();
    CHECK_FALSE(one.next(over));
    CHECK(one.s.take_trials_wanted() == Names{kOwn});
  }
  SECTION("it tells nothing: it goes on") {
    CHECK_FALSE(one.s.finished(*pick, AttemptEnd::undecided, at(102)).destination);
    CHECK(one.s.trial_use(kOwn) == TrialUse::waiting);
    CHECK(one.next(at(102)));
  }
  SECTION("another node opens it meanwhile") {
    one.s.restore_breaker(one.d, {"mx:a", 2, at(0), at(200), ""}, at(102));
    CHECK(one.s.trial_use(kOwn) == TrialUse::running);
    CHECK_FALSE(one.next(at(103)));
    (void)one.s.finished(*pick, AttemptEnd::undecided, at(103));
    CHECK(one.s.trial_use(kOwn) == TrialUse::none);
    CHECK_FALSE(one.next(at(200)));
    CHECK(one.s.take_trials_wanted() == Names{kOwn});
  }
}

TEST_CASE("a trial that was refused is asked for again, later") {
  Shared one;
  CHECK_FALSE(one.next(at(100)));
  CHECK(one.s.take_trials_wanted().size() == 1);
  one.s.refuse_trial(kOwn, at(103), at(100));
  CHECK(one.s.wake_at() == at(103));
  CHECK_FALSE(one.next(at(102)));
  CHECK(one.s.take_trials_wanted().empty());
  CHECK_FALSE(one.next(at(103)));
  CHECK(one.s.take_trials_wanted() == Names{kOwn});
}

TEST_CASE("what was granted and not used is revoked, and what nobody asked for is not granted") {
  Shared one;
  one.s.grant_trial(kOwn, at(100));
  CHECK(one.s.trial_use(kOwn) == TrialUse::none);
  CHECK_FALSE(one.next(at(100)));
  one.s.grant_trial(kOwn, at(100));
  one.s.revoke_trial(kOwn, at(100));
  CHECK_FALSE(one.next(at(100)));
  CHECK(one.s.take_trials_wanted() == Names{kOwn, kOwn});
  one.s.grant_trial({"mx:unknown", false}, at(100));
  one.s.grant_trial({"mx.unknown", true}, at(100));
  CHECK(one.s.trial_use({"mx:unknown", false}) == TrialUse::none);
  CHECK(one.s.trial_use({"mx.unknown", true}) == TrialUse::none);
}

TEST_CASE("where nobody shares the breakers no trial is asked for") {
  Scheduler s = make_scheduler();
  DestinationId d = s.destination("mx:a", kPlain);
  give(s, d, job(1), at(0));
  s.restore_breaker(d, {"mx:a", 1, at(0), at(100), ""}, at(0));
  s.advance(at(100));
  CHECK(s.next(Pool::smtp, at(100)));
  CHECK(s.take_trials_wanted().empty());
}

TEST_CASE("of a destination and the hosts behind it those of the hosts are asked for first") {
  Shared one("mx1.a");
  one.s.restore_set_breaker("mx1.a", {"mxset:mx1.a", 1, at(0), at(100), ""}, at(0));
  DestinationId other = one.s.destination("mx:b", kPlain);
  one.s.associate(other, "mx1.a", at(0));
  give(one.s, other, job(9), at(0));
  CHECK_FALSE(one.next(at(100)));
  CHECK(one.s.take_trials_wanted() == Names{kHosts});
  one.s.grant_trial(kHosts, at(100));
  // That of the other one is closed, so it may have the trial at once.
  CHECK(one.s.take_trials_wanted() == Names{kOwn});
  one.s.grant_trial(kOwn, at(100));
  std::optional<Pick> pick = one.next(at(100));
  REQUIRE(pick);
  CHECK_FALSE(one.next(at(100)));
  CHECK(one.s.trial_use(kHosts) == TrialUse::running);
  CHECK(one.s.finished(*pick, AttemptEnd::reached, at(101)).mx_set);
  CHECK(one.s.trial_use(kHosts) == TrialUse::none);
}

TEST_CASE("a breaker that another node has closed is closed, and what waited there is tried") {
  Shared one("mx1.a");
  CHECK_FALSE(one.s.close_set_breaker("mx1.a", at(1)));
  CHECK_FALSE(one.s.close_set_breaker("mx9.a", at(1)));
  one.s.restore_set_breaker("mx1.a", {"mxset:mx1.a", 1, at(0), at(1000), ""}, at(0));
  CHECK(one.s.close_breaker(one.d, at(1)));
  CHECK_FALSE(one.s.close_breaker(one.d, at(1)));
  CHECK(one.s.is_catching_up(one.d));
  CHECK_FALSE(one.next(at(1)));
  CHECK(one.s.close_set_breaker("mx1.a", at(2)));
  CHECK(one.next(at(2)));
  CHECK(one.next(at(2)));
  CHECK_FALSE(one.next(at(2)));  // begins slowly
  CHECK_FALSE(one.s.health(one.d).is_proven());
}

TEST_CASE("the breaker of hosts that no destination has is forgotten when it closes") {
  Scheduler s = make_scheduler();
  s.restore_set_breaker("mx1.a", {"mxset:mx1.a", 1, at(0), at(1000), ""}, at(0));
  CHECK(s.health_of(kHosts) != nullptr);
  CHECK(s.close_set_breaker("mx1.a", at(1)));
  CHECK(s.health_of(kHosts) == nullptr);
}
