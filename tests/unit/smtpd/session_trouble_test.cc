// Sessions: what happens when the client, qmgr or we ourselves are slow, gone, or early.
#include <catch2/catch.hpp>

#include "tests/unit/smtpd/session_rig.h"

using namespace postwain;
using namespace postwain::smtpd;
using namespace postwain::smtpd::test;
using namespace std::chrono_literals;

TEST_CASE("refusals of qmgr reach the client", "[session]") {
  Bench bench;
  bench.begin_data();
  bench.qmgr->reply = {452, {4, 3, 1}, "Disk full"};
  bench.say("x\r\n.\r\n");
  bench.expect("452 4.3.1 Disk full\r\n");
  bench.qmgr->admission({false, {452, {4, 3, 1}, "Insufficient system storage"}});
  bench.until([&] { return bench.queue_link->refusal().has_value(); });
  bench.say("MAIL FROM:<a@b>\r\n");
  bench.expect("452 4.3.1 Insufficient system storage\r\n");
  bench.qmgr->admission({true, {}});
  bench.until([&] { return !bench.queue_link->refusal().has_value(); });
  bench.say("MAIL FROM:<a@b>\r\n");
  bench.expect("250 2.1.0 Ok\r\n");
}

TEST_CASE("qmgr is lost", "[session]") {
  Bench bench;
  const std::string unavailable = "451 4.3.0 Queue unavailable, try again later\r\n";
  bench.begin_data();
  SECTION("between submit and result") {
    bench.qmgr->hold = true;
    bench.say("x\r\n.\r\n");
    bench.until([&] { return bench.qmgr->contents.size() == 1; });
    bench.qmgr->die();
    bench.expect(unavailable);
  }
  SECTION("in the middle of small content") {
    bench.say("x\r\n");
    bench.qmgr->die();
    bench.until([&] { return !bench.queue_link->up(); });
    bench.say("QUIT\r\n.\r\n");
    bench.expect(unavailable);
  }
  SECTION("in the middle of a stream, which is read to its true end") {
    bench.say(bench.large(2000));
    bench.until([&] { return bench.qmgr->opened() && bench.client.pending() == 0; });
    bench.qmgr->die();
    bench.until([&] { return !bench.queue_link->up(); });
    bench.say(bench.large(2000) + "QUIT\r\n.\r\n");
    bench.expect(unavailable);
  }
  SECTION("while the window is full") {
    bench.qmgr->hold = true;
    bench.say(bench.large(30000) + ".\r\n");
    bench.until([&] { return bench.qmgr->opened(); });
    bench.qmgr->die();
    bench.expect(unavailable);
  }
  CHECK(bench.queue_link->past_data() == 0);
  bench.say("MAIL FROM:<a@b>\r\n");
  bench.expect(unavailable);
  // And back again, in the same session.
  bench.qmgr = std::make_unique<FakeQmgr>(bench.loop, bench.path);
  bench.until([&] { return bench.queue_link->up(); });
  bench.say("MAIL FROM:<a@b>\r\nRCPT TO:<u@any.test>\r\nDATA\r\nx\r\n.\r\n");
  bench.expect_queued();
}

TEST_CASE("qmgr keeps silent", "[session]") {
  Bench bench;
  bench.begin_data();
  bench.qmgr->hold = true;
  bench.say("x\r\n.\r\n");
  bench.until([&] { return bench.qmgr->contents.size() == 1; });
  bench.session->sweep(bench.loop.now() + kOthersTimeout + 1s);
  bench.expect("451 4.3.0 Queue unavailable, try again later\r\n");
  bench.qmgr->release();  // too late, and to nobody
  bench.say("NOOP\r\n");
  bench.expect("250 2.0.0 Ok\r\n");
}

TEST_CASE("the client is lost", "[session]") {
  Bench bench;
  bench.begin_data();
  SECTION("in the middle of a stream: withdrawn") {
    bench.say(bench.large(2000));
    bench.until([&] { return bench.qmgr->opened() && bench.client.pending() == 0; });
    bench.client.reset();
    bench.until([&] { return bench.qmgr->aborts == 1; });
    CHECK(bench.session_over);
  }
  SECTION("waits for the result with its end already sent") {
    bench.qmgr->hold = true;
    bench.say("x\r\n.\r\nQUIT\r\n");
    bench.client.shutdown_write();
    bench.until([&] { return bench.qmgr->contents.size() == 1; });
    int turns = 0;
    bench.until([&] { return ++turns > 20; });
    CHECK_FALSE(bench.session_over);
    bench.qmgr->release();
    bench.expect("221 2.0.0 Bye\r\n");
    bench.until([&] { return bench.ended; });
    CHECK(bench.session_over);
  }
  CHECK(bench.queue_link->past_data() == 0);
}

TEST_CASE("silent clients", "[session]") {
  Bench bench;
  bench.connect();
  SECTION("in commands, also when octets drip in") {
    bench.say("NO");
    bench.session->sweep(bench.loop.now() + bench.config.limits.command_timeout + 1s);
  }
  SECTION("in content") {
    bench.say("HELO c.test\r\nMAIL FROM:<a@b>\r\nRCPT TO:<u@any.test>\r\nDATA\r\n");
    bench.expect("354 End data with <CR><LF>.<CR><LF>\r\n");
    bench.session->sweep(bench.loop.now() + bench.config.limits.data_timeout + 1s);
    CHECK(bench.queue_link->past_data() == 0);
  }
  bench.expect("421 4.4.2 Error: timeout exceeded\r\n");
  bench.until([&] { return bench.ended; });
  CHECK(bench.session_over);
}

TEST_CASE("shutdown", "[session]") {
  Bench bench;
  SECTION("an idle session ends at once") {
    bench.connect();
    bench.session->drain();
    bench.expect("421 4.3.2 Service shutting down, try again later\r\n");
  }
  SECTION("a message on its way gets its reply first") {
    bench.begin_data();
    bench.say("x\r\n");
    bench.session->drain();
    bench.say("y\r\n.\r\n");
    bench.until([&] { return bench.heard.find("421 4.3.2 ") != std::string::npos; });
    CHECK(bench.heard.substr(0, 23) == "250 2.0.0 Ok: queued as");
  }
  SECTION("so does one that waits for qmgr") {
    bench.begin_data();
    bench.qmgr->hold = true;
    bench.say("x\r\n.\r\n");
    bench.until([&] { return bench.qmgr->contents.size() == 1; });
    bench.session->drain();
    bench.qmgr->release();
    bench.until([&] { return bench.heard.find("421 4.3.2 ") != std::string::npos; });
    CHECK(bench.heard.substr(0, 23) == "250 2.0.0 Ok: queued as");
  }
  bench.until([&] { return bench.ended; });
  CHECK(bench.session_over);
}

TEST_CASE("a client that never reads its replies is not obeyed for ever", "[session]") {
  Bench bench;
  bench.connect();
  bench.client.pause();
  std::string many;
  for (int i = 0; i < 200000; ++i) many += "EHLO c\r\n";
  bench.config.limits.errors = 1U << 30;
  bench.say(many);
  int turns = 0;
  bench.until([&] { return ++turns > 50; });
  // Nothing to see but that it neither grows nor hangs: it still ends on time.
  bench.session->sweep(bench.loop.now() + bench.config.limits.command_timeout + 1s);
  CHECK(bench.session_over);
}

TEST_CASE("S8: header sections that do not end have one bound for all", "[session]") {
  HeaderBudget budget;
  {
    HeaderBudget::Share one(budget);
    CHECK(one.grow(HeaderBudget::kFree, true));
    CHECK(budget.held() == 0);
    CHECK(one.grow(HeaderBudget::kFree + 1000, true));
    CHECK(one.grow(HeaderBudget::kFree + HeaderBudget::kStrangersMax, true));
    HeaderBudget::Share two(budget);
    CHECK_FALSE(two.grow(HeaderBudget::kFree + 1, true));
    CHECK(two.grow(HeaderBudget::kFree + 1000, false));
    CHECK(budget.held() == HeaderBudget::kStrangersMax + 1000);
    one.clear();
    CHECK(two.grow(HeaderBudget::kFree + HeaderBudget::kMax, false));
    CHECK_FALSE(one.grow(HeaderBudget::kFree + 1, true));
  }
  CHECK(budget.held() == 0);

  Bench bench;
  bench.shared.headers = &budget;
  HeaderBudget::Share others(budget);
  REQUIRE(others.grow(HeaderBudget::kFree + HeaderBudget::kStrangersMax, true));
  bench.begin_data();
  std::string header;
  for (int i = 0; i < 1000; ++i) header += "X: " + std::string(95, 'y') + "\r\n";
  bench.say(header);
  bench.until([&, turns = 0]() mutable { return ++turns > 30; });
  bench.say("\r\nbody\r\n.\r\n");
  bench.expect("452 4.3.1 Too many large header sections at once, try later\r\n");
  // An ordinary one passes all the same.
  bench.say("MAIL FROM:<a@b>\r\nRCPT TO:<u@any.test>\r\nDATA\r\n");
  bench.expect("354 End data with <CR><LF>.<CR><LF>\r\n");
  bench.say("Subject: x\r\n\r\nbody\r\n.\r\n");
  bench.expect_queued();
  others.clear();
  bench.say("MAIL FROM:<a@b>\r\nRCPT TO:<u@any.test>\r\nDATA\r\n");
  bench.expect("354 End data with <CR><LF>.<CR><LF>\r\n");
  bench.say(header);
  bench.until([&, turns = 0]() mutable { return ++turns > 30; });
  bench.say("\r\nbody\r\n.\r\n");
  bench.expect_queued();
  CHECK(budget.held() == 0);
}
