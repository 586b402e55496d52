// What filters said of a message, on its way to qmgr.
#include "tests/unit/smtpd/handover_bench.h"

using namespace postwain;
using namespace postwain::smtpd;
using namespace postwain::smtpd::handover_test;

TEST_CASE("what filters said goes in front of the end", "[handover]") {
  for (bool large : {false, true}) {
    Bench bench;
    std::string content(large ? ipc::kInlineContentMax + 1 : 10, 'x');
    bench.handover->judged("said");
    bench.handover->grow(content);
    if (large) bench.handover->lent(some_file());
    bench.handover->finish(content);
    if (large) bench.handover->written({}, std::exchange(bench.port.buffer, {}));
    CHECK(bench.port.judgements == "said");
    std::string log = bench.port.log;
    REQUIRE(log.size() >= 2);
    CHECK(log.substr(log.size() - 2) == (large ? "JF" : "JS"));
  }
}

TEST_CASE("a message that a filter discards is told of, and nothing of it is submitted",
          "[handover]") {
  Bench bench;
  std::string content = "A: b\r\n\r\nbody";
  bench.handover->set_header_size(8);
  bench.handover->judged("said");
  bench.handover->tell_discarded("one", bench.handover->envelope(), content);
  bench.handover.reset();
  CHECK(bench.port.log == "D");
  CHECK(bench.port.header == "A: b\r\n\r\n");
  CHECK(bench.port.discarded_by == "one");
  CHECK(bench.port.discarded_size == content.size());
  CHECK(bench.port.judgements == "said");
}
