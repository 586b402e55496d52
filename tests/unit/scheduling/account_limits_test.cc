// How much an account may send, and what happens beyond.
#include "qmgr/verdicts/account_limits.h"

#include <catch2/catch.hpp>

using namespace postwain;
using namespace postwain::qmgr;
using namespace std::chrono_literals;
using Kind = AccountLimits::Kind;

namespace {

const MonoTime kStart{24h};

config::Auth auth(config::OverRate over = config::OverRate::hold) {
  config::Auth out;
  out.limit = {{2, 1h}, {10, 1h}, over, {"t.toml", 3, 1}};
  out.account_limits.push_back({{"bulk"}, {{}, {100, 1h}, over, {"t.toml", 9, 1}}});
  return out;
}

}  // namespace

TEST_CASE("messages beyond the rate are held, and only those that leave count", "[accounts]") {
  AccountLimits limits(auth());
  CHECK(limits.count("ann", 1, kStart).kind == Kind::pass);
  CHECK(limits.count("ann", 1, kStart).kind == Kind::pass);
  AccountLimits::Verdict over = limits.count("ann", 1, kStart);
  CHECK(over.kind == Kind::hold);
  CHECK(over.reason == "held for review: the account sends more than 2 messages in 1h");
  CHECK(over.origin.text() == "t.toml:3:1");
  CHECK(over.report);
  for (int i = 0; i < 100; ++i) {
    over = limits.count("ann", 1, kStart + 1min);
    CHECK(over.kind == Kind::hold);
    CHECK_FALSE(over.report);
  }
  CHECK(limits.count("bob", 1, kStart).kind == Kind::pass);
  CHECK(limits.count("ann", 1, kStart + 31min).kind == Kind::pass);
  CHECK_FALSE(limits.count("ann", 1, kStart + 32min).report);
  limits.count("ann", 1, kStart + 62min);
  CHECK(limits.count("ann", 1, kStart + 63min).report);
}

TEST_CASE("recipients have a rate of their own", "[accounts]") {
  AccountLimits limits(auth(config::OverRate::refuse));
  CHECK(limits.count("ann", 8, kStart).kind == Kind::pass);
  AccountLimits::Verdict over = limits.count("ann", 3, kStart);
  CHECK(over.kind == Kind::refuse);
  CHECK(over.reason == "the account sends more than 10 recipients in 1h");
  CHECK(limits.count("ann", 2, kStart).kind == Kind::pass);
  CHECK(limits.count("bob", 11, kStart).kind == Kind::refuse);
}

TEST_CASE("exceptions, strangers and what was not stored", "[accounts]") {
  AccountLimits limits(auth());
  for (int i = 0; i < 10; ++i) {
    CHECK(limits.count("bulk", 10, kStart).kind == Kind::pass);
    CHECK(limits.count("", 1000, kStart).kind == Kind::pass);
  }
  CHECK(limits.count("bulk", 1, kStart).origin.text() == "t.toml:9:1");
  for (int i = 0; i < 10; ++i) {
    CHECK(limits.count("ann", 1, kStart).kind == Kind::pass);
    limits.give_back("ann", 1, kStart);
  }
  limits.count("ann", 1, kStart);
  limits.count("ann", 1, kStart);
  limits.configure(auth());  // a reload forgets nothing
  CHECK(limits.count("ann", 1, kStart).kind == Kind::hold);
}
