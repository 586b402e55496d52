// The process `filter` is to end, as at a reload: messages under way are judged before, and those
// that are on their way to it.
#include "filter/smtpd_link.h"
#include "tests/unit/filter/filter_rig.h"

using namespace postwain;
using namespace postwain::filter;
using namespace postwain::filter::test;

TEST_CASE("a process that is to end waits for the message under way") {
  Rig rig;
  rig.play("a");
  rig.greet();
  rig.envelope();
  bool drained = false;
  rig.process->drain([&] { drained = true; });
  rig.settle(150ms);
  CHECK_FALSE(drained);
  rig.content();
  (void)rig.result();
  CHECK(rig.until([&] { return drained; }));
}

TEST_CASE("a process that is to end hears of a message that was on its way to it") {
  Rig rig;
  rig.play("a");
  rig.greet();
  bool drained = false;
  rig.answers_draining = false;
  rig.process->drain([&] { drained = true; });
  REQUIRE(rig.until([&] { return rig.drainings == 1; }));
  rig.settle(150ms);
  CHECK_FALSE(drained);
  // It was begun before the word that nothing more comes.
  rig.envelope();
  rig.smtpd->send(ipc::NothingMore{});
  rig.settle(150ms);
  CHECK_FALSE(drained);
  rig.content();
  (void)rig.result();
  CHECK(rig.until([&] { return drained; }));
}

TEST_CASE("a process that is to end waits for the word of an smtpd, but not for ever") {
  Rig rig;
  rig.play("a");
  rig.greet();
  bool drained = false;
  rig.answers_draining = false;
  rig.process->drain([&] { drained = true; });
  rig.settle(150ms);
  CHECK_FALSE(drained);
  rig.clock.pass(kNothingMoreWait);
  CHECK(rig.until([&] { return drained; }));
}

TEST_CASE("a word that nobody asked for ends the link") {
  Rig rig;
  rig.play("a");
  rig.greet();
  rig.smtpd->send(ipc::NothingMore{});
  CHECK(rig.until([&] { return rig.closed; }));
}
