// What a session awaits: until when, and how it ends, as a table and in virtual time.
#include <catch2/catch.hpp>

#include <string>

#include "smtpd/session/wait.h"

using namespace postwain;
using namespace postwain::smtpd;
using namespace std::chrono_literals;

namespace {

constexpr MonoTime kWaitDay{24h};

WaitEnds ends_into(std::string& log, Awaited what) {
  WaitEnds ends;
  ends.cancel = [&log] { log += "cancel "; };
  // Only who has to answer in the place of what did not come says how.
  for (Awaited resolved : {Awaited::handshake, Awaited::window, Awaited::queue_reply,
                           Awaited::login_step, Awaited::filter, Awaited::judgement})
    if (what == resolved) ends.overdue = [&log] { log += "overdue "; };
  return ends;
}

}  // namespace

TEST_CASE("what a session awaits: how long, and what follows", "[wait]") {
  struct Row {
    Awaited what;
    Duration time;
    Overdue overdue;
    bool outlasts_drain;
    bool outlasts_client;
  };
  // command_timeout is 5 minutes, data_timeout 2.
  const Row rows[] = {
      {Awaited::handshake, 60s, Overdue::resolve, false, false},
      {Awaited::command, 5min, Overdue::refuse, false, false},
      {Awaited::login_response, 5min, Overdue::refuse, false, false},
      {Awaited::content, 2min, Overdue::refuse, true, false},
      {Awaited::refused_content, 2min, Overdue::refuse, false, false},
      {Awaited::window, 3min, Overdue::resolve, true, false},
      {Awaited::queue_reply, 3min, Overdue::resolve, true, true},
      {Awaited::lookups, 3min, Overdue::end, true, false},
      {Awaited::probe, 3min, Overdue::end, true, false},
      {Awaited::login_step, 3min, Overdue::resolve, false, false},
      {Awaited::login_delay, 3min, Overdue::end, false, false},
      {Awaited::filter, 15min, Overdue::resolve, true, false},
      {Awaited::judgement, 15min, Overdue::resolve, true, true},
  };
  REQUIRE(std::size(rows) == kAwaitedKinds);
  Wait wait(5min, 2min);
  MonoTime now = kWaitDay;
  for (const Row& row : rows) {
    INFO("row " << static_cast<int>(row.what));
    std::string log;
    now += 1h;
    wait.begin(row.what, now, ends_into(log, row.what));
    CHECK(wait.what() == row.what);
    CHECK(wait.rule().overdue == row.overdue);
    CHECK(wait.rule().outlasts_drain == row.outlasts_drain);
    CHECK(wait.rule().outlasts_client == row.outlasts_client);
    CHECK(wait.rule().why.empty() == (row.overdue != Overdue::end));
    CHECK_FALSE(wait.is_overdue(now + row.time - 1ms));
    CHECK(wait.is_overdue(now + row.time));
    // Only content prolongs a wait.
    wait.progress(1'000'000, now + row.time - 1s);
    bool prolonged = row.what == Awaited::content || row.what == Awaited::refused_content;
    CHECK(wait.is_overdue(now + row.time) != prolonged);
    CHECK(log.empty());
    if (row.overdue == Overdue::resolve)
      wait.resolve();
    else
      wait.cancel();
    CHECK(log == (row.overdue == Overdue::resolve ? "overdue " : "cancel "));
  }
}

TEST_CASE("a wait has one end", "[wait]") {
  std::string log;
  Wait wait(5min, 3min);
  SECTION("what has come is neither cancelled nor resolved later") {
    wait.begin(Awaited::login_step, kWaitDay, ends_into(log, Awaited::login_step));
    wait.begin(Awaited::command, kWaitDay);
    wait.cancel();
    CHECK(log.empty());
  }
  SECTION("cancelled once") {
    wait.begin(Awaited::lookups, kWaitDay, ends_into(log, Awaited::lookups));
    wait.cancel();
    wait.cancel();
    CHECK(log == "cancel ");
  }
  SECTION("resolved, it is not cancelled any more") {
    wait.begin(Awaited::queue_reply, kWaitDay, ends_into(log, Awaited::queue_reply));
    wait.resolve();
    wait.cancel();
    CHECK(log == "overdue ");
  }
  SECTION("the answer to what did not come begins the next wait") {
    std::string text(100, 'x');  // so that the closure lives on the heap
    wait.begin(Awaited::login_step, kWaitDay,
               {.cancel = [&log] { log += "cancel "; },
                .overdue =
                    [&, text] {
                      wait.begin(Awaited::command, kWaitDay + 3min);
                      log += text.substr(0, 1);
                    }});
    wait.resolve();
    CHECK(log == "x");
    CHECK(wait.what() == Awaited::command);
    wait.cancel();
    CHECK(log == "x");
    CHECK_FALSE(wait.is_overdue(kWaitDay + 7min));
  }
}

TEST_CASE("what belongs to the content of a message", "[wait]") {
  Wait wait(5min, 3min);
  for (std::size_t i = 0; i < kAwaitedKinds; ++i) {
    auto what = static_cast<Awaited>(i);
    std::string log;
    wait.begin(what, kWaitDay, ends_into(log, what));
    CHECK(wait.is_for_content() == (what == Awaited::content || what == Awaited::window ||
                                    what == Awaited::refused_content));
  }
}

TEST_CASE("content has to keep coming", "[wait]") {
  MonoTime t{};
  Wait wait(5min, 3min);
  wait.begin(Awaited::content, t);
  CHECK(wait.is_overdue(t + 180s));
  wait.progress(100, t + 179s);
  CHECK_FALSE(wait.is_overdue(t + 358s));
  CHECK(wait.is_overdue(t + 359s));
  // A steady client may take hours …
  wait.begin(Awaited::content, t);
  for (int i = 1; i <= 3600; ++i) {
    wait.progress(1000, t + i * 1s);
    REQUIRE_FALSE(wait.is_overdue(t + i * 1s));
  }
  // … one that drips may not.
  wait.begin(Awaited::content, t);
  int seconds = 0;
  while (!wait.is_overdue(t + seconds * 1s) && seconds < 7200) {
    seconds += 10;
    wait.progress(1, t + seconds * 1s);
  }
  CHECK(seconds <= 920);
}
