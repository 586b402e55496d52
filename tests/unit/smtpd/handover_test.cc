// The way of a message to qmgr.
#include <cerrno>

#include "tests/unit/smtpd/handover_bench.h"

using namespace postwain;
using namespace postwain::smtpd;
using namespace postwain::smtpd::handover_test;

TEST_CASE("small content goes in one frame", "[handover]") {
  Bench bench;
  CHECK(bench.port.past == 1);
  std::string content(ipc::kInlineContentMax, 'x');
  bench.handover->grow(content);
  CHECK(bench.port.log.empty());
  bench.handover->finish(content);
  CHECK(bench.port.log == "S");
  CHECK(bench.port.told_past_data == 1);
  CHECK(bench.port.content == content);
  CHECK_FALSE(bench.port.eight_bit);
  CHECK(bench.handover->size() == content.size());
  CHECK(bench.handover->envelope().recipients.size() == 1);
  CHECK(bench.owner.codes.empty());
  bench.handover->result(kGood);
  CHECK(bench.owner.codes == std::vector<int>{250});
  CHECK(bench.port.past == 0);
  CHECK(bench.port.watched.empty());
  bench.handover.reset();
  CHECK(bench.port.log == "S");
  CHECK(bench.port.past == 0);
}

TEST_CASE("S1: an envelope too large for a frame is refused, and the process goes on") {
  auto size = GENERATE(std::size_t{10}, ipc::kInlineContentMax + 1);
  Bench bench;
  bench.port.fits = false;
  std::string content(size, 'x');
  bench.handover->finish(content);
  CHECK(bench.owner.codes == std::vector<int>{552});
  CHECK(bench.port.past == 0);
  CHECK(bench.port.watched.empty());
  bench.handover.reset();
  CHECK(bench.port.log.empty());  // there is nothing to abort
}

TEST_CASE("large content goes into the file that is lent, under the window") {
  Bench bench;
  Handover& handover = *bench.handover;
  auto written = [&] { handover.written({}, std::exchange(bench.port.buffer, {})); };
  std::string whole;
  std::string content;
  auto more = [&] {
    std::string piece(50000, static_cast<char>('a' + whole.size() / 50000 % 26));
    whole += piece;
    content += piece;
    handover.grow(content);
  };
  // Nothing is written before there is a file, and the window holds all the same.
  while (!handover.window_full(content.size())) more();
  CHECK(bench.port.log == "O");
  CHECK(whole.size() < ipc::kSubmitWindow + 50001);
  handover.lent(some_file());
  CHECK(bench.owner.opened == 1);
  handover.grow(content);
  CHECK(bench.port.log == "Ow");
  CHECK(content.empty());
  // One write at a time, and the window counts what is on its way.
  CHECK(handover.window_full(content.size()));
  more();
  CHECK(bench.port.log == "Ow");
  written();
  CHECK(bench.owner.opened == 2);
  CHECK_FALSE(handover.window_full(content.size()));
  handover.grow(content);
  CHECK(bench.port.log == "Ow");  // too little for a write
  more();
  more();
  CHECK(bench.port.log == "Oww");
  whole += "\xFF";
  content += "\xFF";
  handover.finish(content);
  CHECK(bench.port.log == "Oww");
  written();
  CHECK(bench.port.log == "Owww");
  CHECK(bench.port.file_size == 0);
  written();
  CHECK(bench.port.log == "OwwwF");
  CHECK(bench.port.content == whole);
  CHECK(bench.port.file_size == whole.size());
  CHECK(bench.port.eight_bit);
  CHECK(bench.owner.opened == 2);
  handover.result(kGood);
  CHECK(bench.owner.codes == std::vector<int>{250});
}

TEST_CASE("content that ends before its file is lent") {
  Bench bench;
  std::string content(100000, 'x');
  bench.handover->finish(content);
  CHECK(bench.port.log == "O");
  bench.handover->lent(some_file());
  CHECK(bench.port.log == "Ow");
  bench.handover->written({}, {});
  CHECK(bench.port.log == "OwF");
  CHECK(bench.port.file_size == 100000);
  CHECK_FALSE(bench.port.eight_bit);
}

TEST_CASE("a file that does not reach us ends the transaction") {
  Bench bench;
  std::string content(100000, 'x');
  bench.handover->grow(content);
  bench.handover->lent(UniqueFd());
  CHECK(bench.port.log == "OA");
  CHECK(bench.owner.codes == std::vector<int>{451});
}

TEST_CASE("a write that fails ends the transaction, with the client told why") {
  struct Row {
    int error;
    int code;
  };
  for (Row row : {Row{ENOSPC, 452}, Row{EDQUOT, 452}, Row{EIO, 451}}) {
    CAPTURE(row.error);
    bool at_the_end = GENERATE(false, true);
    Bench bench;
    std::string content(200000, 'x');
    bench.handover->grow(content);
    bench.handover->lent(some_file());
    bench.handover->grow(content);
    if (at_the_end) bench.handover->finish(content);
    bench.handover->written(system_error("x", row.error), {});
    CHECK(bench.port.log == "OwA");
    CHECK(bench.owner.codes == std::vector<int>{row.code});
    CHECK(bench.port.watched.empty());
    CHECK(bench.port.past == 0);
    bench.handover.reset();
    CHECK(bench.port.log == "OwA");
  }
}

TEST_CASE("a client that goes away", "[handover]") {
  std::string content(100000, 'x');
  SECTION("in the middle of a stream: withdrawn") {
    Bench bench;
    bench.handover->grow(content);
    bench.handover.reset();
    CHECK(bench.port.log.back() == 'A');
    CHECK(bench.port.watched.empty());
    CHECK(bench.port.past == 0);
  }
  SECTION("behind its end: qmgr keeps it") {
    Bench bench;
    bench.handover->grow(content);
    bench.handover->finish(content);
    bench.handover->lent(some_file());
    bench.handover->written({}, {});
    bench.handover.reset();
    CHECK(bench.port.log.back() == 'F');
    CHECK(bench.port.past == 0);
  }
  SECTION("before anything was sent: nothing to say") {
    Bench bench;
    content.resize(10);
    bench.handover->grow(content);
    bench.handover.reset();
    CHECK(bench.port.log.empty());
  }
}

TEST_CASE("qmgr that goes away", "[handover]") {
  std::string small(100, 'x');
  std::string large(100000, 'x');
  SECTION("away at the end of small content") {
    Bench bench;
    bench.port.is_up = false;
    bench.handover->finish(small);
    CHECK(bench.owner.codes == std::vector<int>{451});
  }
  SECTION("away when a stream would begin") {
    Bench bench;
    bench.port.is_up = false;
    bench.handover->grow(large);
    CHECK(bench.owner.codes == std::vector<int>{451});
    bench.handover->grow(large);
    CHECK(large.empty());
    bench.handover->finish(large);
    CHECK(bench.owner.codes.size() == 1);
  }
  SECTION("lost between submit and result") {
    Bench bench;
    bench.handover->finish(small);
    bench.port.is_up = false;
    bench.handover->lost();
    CHECK(bench.owner.codes == std::vector<int>{451});
    bench.handover.reset();
    CHECK(bench.port.log == "S");
    CHECK(bench.port.past == 0);
  }
  SECTION("silent for too long") {
    Bench bench;
    bench.handover->grow(large);
    bench.handover->give_up();
    CHECK(bench.port.log.back() == 'A');
    CHECK(bench.owner.codes == std::vector<int>{451});
    CHECK(bench.port.watched.empty());
  }
  SECTION("refuses in the middle of a stream") {
    Bench bench;
    bench.handover->grow(large);
    bench.handover->result({452, {4, 3, 1}, "full"});
    CHECK(bench.owner.codes == std::vector<int>{452});
    bench.handover.reset();
    CHECK(bench.port.log.find('A') == std::string::npos);
  }
}

TEST_CASE("the header section travels at the end, and the file gets the body only") {
  Bench bench;
  Handover& handover = *bench.handover;
  const std::string header = "Received: here\r\nSubject: \xC3\xA4\r\n\r\n";
  std::string body(100000, 'x');
  std::string content = header + body;
  handover.set_header_size(header.size());
  SECTION("that grows") {
    handover.grow(content);
    CHECK(content == body);
    handover.lent(some_file());
    handover.grow(content);
    content += "more";
    body += "more";
  }
  SECTION("that comes at once") {}
  handover.finish(content);
  if (bench.port.log == "O") handover.lent(some_file());
  while (bench.port.log.back() == 'w') handover.written({}, {});
  CHECK(bench.port.log.back() == 'F');
  CHECK(bench.port.header == header);
  CHECK(bench.port.content == body);
  CHECK(bench.port.file_size == body.size());
  CHECK(handover.size() == header.size() + body.size());
  CHECK_FALSE(bench.port.eight_bit);  // qmgr looks at the header section itself
  CHECK_FALSE(bench.port.final_envelope);
}

TEST_CASE("a header section that fills its message leaves an empty file") {
  Bench bench;
  std::string content(100000, 'h');
  bench.handover->set_header_size(content.size());
  bench.handover->finish(content);
  bench.handover->lent(some_file());
  CHECK(bench.port.log == "OF");
  CHECK(bench.port.file_size == 0);
  CHECK(bench.port.header.size() == 100000);
}

TEST_CASE("a header section beyond kHeaderApartMax stays with its body") {
  std::size_t more = GENERATE(0, 1);
  Bench bench;
  std::size_t header = ipc::kHeaderApartMax + more;
  std::string content(header + 500, 'x');
  bench.handover->set_header_size(header);
  bench.handover->grow(content);
  bench.handover->finish(content);
  bench.handover->lent(some_file());
  bench.handover->written({}, {});
  CHECK(bench.port.log == "OwF");
  CHECK(bench.port.header.size() == (more == 0 ? header : 0));
  CHECK(bench.port.file_size == (more == 0 ? 500 : header + 500));
}

TEST_CASE("the last word on the envelope travels with the end") {
  mail::Envelope other;
  other.recipients.push_back({mail::Address::from_text("c@d"), {}, {}});
  Bench bench;
  SECTION("small: as if it had been the first") {
    std::string content = "x\r\n";
    bench.handover->change_envelope(other);
    bench.handover->finish(content);
    CHECK(bench.port.log == "S");
  }
  SECTION("before the stream: as if it had been the first") {
    std::string content(100000, 'x');
    bench.handover->change_envelope(other);
    bench.handover->finish(content);
    bench.handover->lent(some_file());
    bench.handover->written({}, {});
    CHECK_FALSE(bench.port.final_envelope);
  }
  SECTION("in the stream: instead of the first") {
    std::string content(100000, 'x');
    bench.handover->grow(content);
    bench.handover->change_envelope(other);
    bench.handover->finish(content);
    bench.handover->lent(some_file());
    bench.handover->written({}, {});
    REQUIRE(bench.port.final_envelope);
    CHECK(bench.port.final_envelope->recipients[0].address.text() == "c@d");
  }
  CHECK(bench.handover->envelope().recipients[0].address.text() == "c@d");
}

TEST_CASE("a last word too large for a frame is refused, and the file is given back") {
  Bench bench;
  std::string content(100000, 'x');
  bench.handover->grow(content);
  bench.handover->change_envelope({});
  bench.handover->lent(some_file());
  bench.handover->finish(content);
  bench.port.fits = false;
  bench.handover->written({}, {});
  CHECK(bench.port.log == "OwA");
  CHECK(bench.owner.codes == std::vector<int>{552});
  CHECK(bench.port.watched.empty());
}

// --- what filters make of a message -------------------------------------------------------------

TEST_CASE("filters: another header section and another body of small content") {
  Bench bench;
  std::string content = "A: 1\r\n\r\nbody";
  bench.handover->set_header_size(8);
  bench.handover->grow(content);
  CHECK(bench.handover->change_header("A: changed\r\n\r\n", content));
  CHECK(content == "A: changed\r\n\r\nbody");
  CHECK(bench.handover->replace_body(content));
  content += "new";
  bench.handover->hold("looks bad");
  bench.handover->hold("and smells");
  bench.handover->finish(content);
  CHECK(bench.port.log == "S");
  CHECK(bench.port.content == "A: changed\r\n\r\nnew");
  CHECK(bench.port.hold == "looks bad; and smells");
}

TEST_CASE("filters: another header section and another body of large content") {
  bool in_flight = GENERATE(false, true);
  Bench bench;
  Handover& handover = *bench.handover;
  auto written = [&] { handover.written({}, std::exchange(bench.port.buffer, {})); };
  std::string content = "A: 1\r\n\r\n" + std::string(300'000, 'x');
  handover.set_header_size(8);
  handover.grow(content);
  handover.lent(some_file());
  handover.grow(content);
  CHECK(bench.port.log == "Ow");
  if (!in_flight) written();
  CHECK(handover.change_header("A: changed\r\n\r\n", content));
  CHECK(handover.replace_body(content));
  CHECK(handover.octets_so_far(content) == 14);
  content += "new \xe4";
  handover.grow(content);
  mail::Envelope envelope = handover.envelope();
  envelope.recipients.push_back({mail::Address::from_text("c@d"), {}, {}});
  handover.change_envelope(std::move(envelope));
  handover.hold("looks bad");
  handover.finish(content);
  if (in_flight) written();
  CHECK(bench.port.log == "Owtw");
  written();
  CHECK(bench.port.log == "OwtwF");
  CHECK(bench.port.content == "new \xe4");
  CHECK(bench.port.header == "A: changed\r\n\r\n");
  CHECK(bench.port.file_size == 5);
  CHECK(bench.port.eight_bit);
  CHECK(bench.port.hold == "looks bad");
  REQUIRE(bench.port.final_envelope);
  CHECK(bench.port.final_envelope->recipients.size() == 2);
  CHECK(handover.size() == 19);
}

TEST_CASE("filters: a body that becomes empty empties the file") {
  Bench bench;
  Handover& handover = *bench.handover;
  std::string content = "A: 1\r\n\r\n" + std::string(300'000, 'x');
  handover.set_header_size(8);
  handover.grow(content);
  handover.lent(some_file());
  handover.grow(content);
  handover.written({}, std::exchange(bench.port.buffer, {}));
  CHECK(handover.replace_body(content));
  handover.finish(content);
  CHECK(bench.port.log == "Owtw");
  handover.written({}, std::exchange(bench.port.buffer, {}));
  CHECK(bench.port.log == "OwtwF");
  CHECK(bench.port.file_size == 0);
}

TEST_CASE("filters: a header section in the file cannot be changed, nor one become too large") {
  Bench bench;
  std::string content = "A: " + std::string(ipc::kHeaderApartMax, 'x') + "\r\n\r\nbody";
  bench.handover->set_header_size(content.size() - 4);
  bench.handover->grow(content);
  CHECK_FALSE(bench.handover->change_header("A: 1\r\n\r\n", content));
  CHECK_FALSE(bench.handover->replace_body(content));
  Bench small;
  std::string text = "A: 1\r\n\r\n";
  small.handover->set_header_size(8);
  small.handover->grow(text);
  CHECK_FALSE(small.handover->change_header(std::string(ipc::kHeaderApartMax + 1, 'x'), text));
}

TEST_CASE("the log tells an account that sends too much from a queue that is away") {
  CHECK(queue_reason({450, {4, 7, 1}, "Your account sends too much"}) == "account_over_rate");
  CHECK(queue_reason(queue_unavailable()) == "queue");
  CHECK(queue_reason({451, {4, 3, 0}, "Mail queue unavailable here"}) == "queue");
  CHECK(queue_reason({452, {4, 3, 1}, "Mail system full"}) == "queue_full");
  CHECK(queue_reason({451, {4, 3, 5}, "The alias of a recipient"}) == "aliases");
  CHECK(queue_reason({550, {5, 2, 4}, "What a recipient stands for"}) == "aliases");
  CHECK(queue_reason({552, {5, 3, 4}, "Message exceeds the size limit"}) == "content");
  CHECK(queue_reason({554, {5, 7, 1}, "no"}) == "content");
  CHECK(queue_reason({}) == "queue");
}
