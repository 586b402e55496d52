// Mail of this machine that waits for its filters (judging.h). The test plays the filters.
#include "tests/unit/queue/queue_rig.h"

#include "qmgr/judging/filter_port.h"
#include "qmgr/model/unjudged.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

// Answers when the test says so.
class PlayedFilters final : public FilterPort {
 public:
  bool up() const override { return is_up; }
  config::FilterFailure fallback(ipc::FilterKind kind) const override {
    return kind == ipc::FilterKind::notices ? config::FilterFailure::accept : on_failure;
  }
  void ask(std::shared_ptr<const UnjudgedMessage> message, Done done) override {
    asked.push_back({std::move(message), std::move(done)});
  }
  void stop() override { asked.clear(); }

  // The oldest question.
  void answer(Judged judged) {
    REQUIRE_FALSE(asked.empty());
    Asked one = std::move(asked.front());
    asked.erase(asked.begin());
    one.done(std::move(judged));
  }

  struct Asked {
    std::shared_ptr<const UnjudgedMessage> message;
    Done done;
  };
  std::vector<Asked> asked;
  bool is_up = true;
  config::FilterFailure on_failure = config::FilterFailure::defer;
};

config::Config with_filter(std::vector<std::string> on) {
  config::Config config = config_of_rig();
  config::Filter filter;
  filter.name = "one";
  filter.on = std::move(on);
  config.filters.push_back(filter);
  return config;
}

NewMessage local_message(std::uint64_t id, std::vector<std::string> recipients) {
  NewMessage message = make_message(id, std::move(recipients));
  message.info.arrival.protocol = "local";
  message.info.arrival.account = "anna";
  message.local = true;
  return message;
}

Judged says(ipc::FilterVerdict verdict, mail::Reply reply = {}) {
  Judged judged;
  judged.result.verdict = verdict;
  judged.result.reply = std::move(reply);
  judged.result.filter = "one";
  return judged;
}
Judged passes() {
  return says(ipc::FilterVerdict::keep_going);
}
const mail::Reply kRefusal{550, {5, 7, 1}, "not this"};
const mail::Reply kLater{451, {4, 7, 1}, "not now"};

struct FilteredQueue {
  explicit FilteredQueue(Disk& disk, std::vector<std::string> on = {"local"},
                         Duration since_start = Duration(0))
      : rig(disk, with_filter(std::move(on)), since_start) {
    rig.queue.judging().set_port(&filters);
    rig.start();
    rig.run();
  }
  void answer(Judged judged) {
    filters.answer(std::move(judged));
    rig.run();
  }
  PlayedFilters filters;
  QueueRig rig;
};

}  // namespace

TEST_CASE("local mail is stored, judged and then leased") {
  Disk disk;
  FilteredQueue q(disk);
  CHECK(q.rig.accept(local_message(100, {"a@example.org", "b@example.org"})) == AcceptEnd::stored);
  CHECK(q.rig.leases().empty());
  auto stored = q.rig.stored(100);
  REQUIRE(stored);
  CHECK(is_unjudged(*stored));
  REQUIRE(q.filters.asked.size() == 1);
  CHECK(q.filters.asked[0].message->stored.find("body of 100") != std::string::npos);
  q.answer(passes());
  CHECK(q.rig.leases().size() == 1);
  stored = q.rig.stored(100);
  REQUIRE(stored);
  CHECK_FALSE(is_unjudged(*stored));
  CHECK(q.rig.queue.totals().counts().recipients() == 2);
  CHECK(q.rig.messages() == 1);
}

TEST_CASE("what no filter is named for has no state of its own") {
  Disk disk;
  FilteredQueue q(disk, {"world", "notices"});
  CHECK(q.rig.accept(local_message(100, {"a@example.org"})) == AcceptEnd::stored);
  CHECK(q.filters.asked.empty());
  CHECK(q.rig.leases().size() == 1);
  CHECK(q.rig.state().compact.size() == 1);
}

TEST_CASE("edits of filters take the place of what was stored") {
  Disk disk;
  FilteredQueue q(disk);
  CHECK(q.rig.accept(local_message(100, {"a@example.org"})) == AcceptEnd::stored);
  Judged judged = passes();
  judged.result.header_changed = true;
  judged.section = "X-New: 1\r\n";
  judged.body_begin = q.filters.asked[0].message->stored.find("body of");
  judged.result.recipients_added.push_back({"<more@example.org>", ""});
  judged.result.sender = ipc::FilterAddress{"<other@example.com>", ""};
  q.answer(std::move(judged));
  auto stored = q.rig.stored(100);
  REQUIRE(stored);
  CHECK(stored->recipients.size() == 2);
  CHECK(stored->info.envelope.reverse_path.text() == "other@example.com");
  auto content = QueueReader(q.rig.service.store())
                     .content(mail::QueueId{100}, 0, static_cast<std::size_t>(stored->info.size));
  REQUIRE(content.ok());
  REQUIRE(*content);
  CHECK(**content == "X-New: 1\r\n\r\nbody of 100\r\n");
  CHECK(stored->info.size == (*content)->size());
}

TEST_CASE("a header section that is none changes nothing") {
  Disk disk;
  FilteredQueue q(disk);
  CHECK(q.rig.accept(local_message(100, {"a@example.org"})) == AcceptEnd::stored);
  std::string before = q.filters.asked[0].message->stored;
  Judged judged = passes();
  judged.result.header_changed = true;
  judged.section = GENERATE("X-New: 1\r\n\r\nBcc: 2\r\n", "X-New: 1\r\n\r\n", "X-New: 1\n\r\n",
                            "X-New: 1", "no field\r\n");
  judged.body_begin = before.find("body of");
  q.answer(std::move(judged));
  auto content =
      QueueReader(q.rig.service.store()).content(mail::QueueId{100}, 0, before.size() + 100);
  REQUIRE(content.ok());
  CHECK(*content == before);
}

TEST_CASE("a refusal becomes a notice, and discarded mail is gone") {
  Disk disk;
  FilteredQueue q(disk);
  SECTION("refused") {
    CHECK(q.rig.accept(local_message(100, {"a@example.org"})) == AcceptEnd::stored);
    q.answer(says(ipc::FilterVerdict::refuse, kRefusal));
    q.rig.pass(std::chrono::minutes(1));
    CHECK_FALSE(q.rig.stored(100));
    CHECK(q.rig.notices().size() == 1);
  }
  SECTION("one recipient") {
    CHECK(q.rig.accept(local_message(100, {"a@example.org", "b@example.org"})) ==
          AcceptEnd::stored);
    Judged judged = passes();
    judged.refused.push_back({1, "one", kRefusal});
    q.answer(std::move(judged));
    auto stored = q.rig.stored(100);
    REQUIRE(stored);
    CHECK_FALSE(is_unjudged(*stored));
    REQUIRE(stored->recipients.size() == 1);
    CHECK(stored->recipients[0].recipient.address.text() == "a@example.org");
    CHECK(q.rig.notices().size() == 1);
    CHECK(q.filters.asked.empty());
  }
  SECTION("discarded") {
    CHECK(q.rig.accept(local_message(100, {"a@example.org"})) == AcceptEnd::stored);
    q.answer(says(ipc::FilterVerdict::discard));
    CHECK(q.rig.messages() == 0);
    CHECK(q.rig.queue.totals().counts().recipients() == 0);
  }
}

TEST_CASE("mail that is put off is judged again, later each time, until its lifetime is over") {
  Disk disk;
  FilteredQueue q(disk);
  CHECK(q.rig.accept(local_message(100, {"a@example.org"})) == AcceptEnd::stored);
  q.answer(says(ipc::FilterVerdict::defer, kLater));
  CHECK(q.filters.asked.empty());
  q.rig.pass(std::chrono::seconds(9));
  CHECK(q.filters.asked.empty());
  q.rig.pass(std::chrono::seconds(2));
  CHECK(q.filters.asked.size() == 1);
  int asked = 0;
  for (int i = 0; i < 10'000 && q.rig.notices().empty(); ++i) {
    if (q.filters.asked.empty()) {
      q.rig.pass(std::chrono::minutes(1));
      continue;
    }
    q.answer(says(ipc::FilterVerdict::defer, kLater));
    ++asked;
  }
  CHECK(asked > 10);
  CHECK_FALSE(q.rig.notices().empty());
}

TEST_CASE("a message is judged again after a kill and after a loss, and never skipped") {
  Disk disk;
  {
    FilteredQueue q(disk);
    CHECK(q.rig.accept(local_message(100, {"a@example.org"})) == AcceptEnd::stored);
    CHECK(q.filters.asked.size() == 1);
  }
  FilteredQueue q(disk, {"local"}, std::chrono::minutes(1));
  REQUIRE(q.filters.asked.size() == 1);
  CHECK(q.rig.leases().empty());
  Judged lost;
  lost.end = Judged::End::lost;
  q.answer(std::move(lost));
  REQUIRE(q.filters.asked.size() == 1);
  q.answer(passes());
  CHECK(q.rig.leases().size() == 1);
}

TEST_CASE("without the filter process mail waits a moment, and then on_failure counts") {
  Disk disk;
  FilteredQueue q(disk);
  q.filters.is_up = false;
  q.filters.on_failure = GENERATE(config::FilterFailure::accept, config::FilterFailure::defer,
                                  config::FilterFailure::hold);
  CHECK(q.rig.accept(local_message(100, {"a@example.org"})) == AcceptEnd::stored);
  for (int i = 0; i < 18; ++i) q.rig.pass(kFilterLookAgain);
  CHECK(q.rig.leases().empty());
  for (int i = 0; i < 4; ++i) q.rig.pass(kFilterLookAgain);
  auto stored = q.rig.stored(100);
  REQUIRE(stored);
  switch (q.filters.on_failure) {
    case config::FilterFailure::accept:
      CHECK(q.rig.leases().size() == 1);
      break;
    case config::FilterFailure::hold:
      CHECK(stored->recipients[0].state == RecipientState::held);
      break;
    default:
      CHECK(is_unjudged(*stored));
      CHECK(stored->recipients[0].attempts == 1);
      // It does not wait for its time when they are back.
      q.filters.is_up = true;
      q.rig.queue.judging().filters_up();
      q.rig.run();
      CHECK(q.filters.asked.size() == 1);
  }
}

TEST_CASE("an operator's word goes before that of the filters") {
  Disk disk;
  FilteredQueue q(disk);
  CHECK(q.rig.accept(local_message(100, {"a@example.org"})) == AcceptEnd::stored);
  auto before = q.rig.stored(100);
  REQUIRE(before);
  q.rig.queue.operator_actions().act(Action::hold, *before, "root", [](std::size_t) {});
  q.rig.run();
  q.answer(GENERATE(passes(), says(ipc::FilterVerdict::refuse, kRefusal),
                    says(ipc::FilterVerdict::defer, kLater)));
  CHECK(q.rig.leases().empty());
  auto stored = q.rig.stored(100);
  REQUIRE(stored);
  CHECK(stored->recipients[0].state == RecipientState::held);
  CHECK(is_unjudged(*stored));
  // It is judged when he releases it.
  CHECK(q.filters.asked.empty());
  q.rig.queue.operator_actions().act(Action::release, *stored, "root", [](std::size_t) {});
  q.rig.run();
  CHECK(q.filters.asked.size() == 1);
}

// Judging and a refill of the scheduler once raced for it: it left unseen, or qmgr ended by a
// broken contract.
TEST_CASE("mail that an operator wakes is not lent before its filters have seen it") {
  Disk disk;
  FilteredQueue q(disk);
  CHECK(q.rig.accept(local_message(100, {"a@example.org", "b@example.org"})) == AcceptEnd::stored);
  auto act = [&](Action action) {
    auto stored = q.rig.stored(100);
    REQUIRE(stored);
    q.rig.queue.operator_actions().act(action, *stored, "root", [](std::size_t) {});
    q.rig.run();
    CHECK(q.rig.leases().empty());
  };
  SECTION("put off, and asked for") {
    q.answer(says(ipc::FilterVerdict::defer, kLater));
    act(Action::retry);
  }
  SECTION("held, and released") {
    act(Action::hold);
    q.answer(passes());
    act(Action::release);
  }
  SECTION("asked for while its filters think") {
    act(Action::retry);
  }
  SECTION("of a destination that somebody has read") {
    std::string filters(kUnjudged);
    q.rig.queue.suspensions().suspend({filters, {}, WallTime::max(), "root", "by name"});
    q.rig.queue.suspensions().resume(filters, "root");
    q.rig.run();
    CHECK(q.rig.leases().empty());
  }
  REQUIRE(q.filters.asked.size() == 1);
  q.answer(passes());
  CHECK(q.rig.leases().size() == 1);
  CHECK(q.rig.queue.totals().counts().recipients() == 2);
}

TEST_CASE("a local user cannot pass his mail off as a notice of ours") {
  Disk disk;
  FilteredQueue q(disk);
  NewMessage message = local_message(100, {"a@example.org"});
  message.info.envelope.reverse_path = mail::Address();
  message.info.kind = MessageKind::double_bounce;
  AcceptEnd end = q.rig.accept(std::move(message));
  CHECK(end == AcceptEnd::stored);
  REQUIRE(q.filters.asked.size() == 1);
  q.answer(says(ipc::FilterVerdict::refuse, kRefusal));
  CHECK(q.rig.messages() == 0);
}

TEST_CASE("a recipient who is no address costs the others nothing") {
  Disk disk;
  FilteredQueue q(disk);
  NewMessage message = local_message(100, {"x@invalid", "a@example.org"});
  message.recipients[0].recipient.decided = {553, {5, 1, 3}, "'x y' is not an address"};
  AcceptEnd end = q.rig.accept(std::move(message));
  CHECK(end == AcceptEnd::stored);
  CHECK(q.rig.notices().size() == 1);
  REQUIRE(q.filters.asked.size() == 1);
  REQUIRE(q.filters.asked[0].message->message.recipients.size() == 1);
  q.answer(passes());
  auto stored = q.rig.stored(100);
  REQUIRE(stored);
  CHECK(stored->recipients[0].recipient.address.text() == "a@example.org");
}

TEST_CASE("few messages are judged at a time, and all in the end") {
  Disk disk;
  FilteredQueue q(disk);
  for (std::uint64_t id = 100; id < 150; ++id)
    CHECK(q.rig.accept(local_message(id, {"a@example.org"})) == AcceptEnd::stored);
  CHECK(q.filters.asked.size() == kJudgedAtOnce);
  int judged = 0;
  for (; !q.filters.asked.empty(); ++judged) q.answer(passes());
  CHECK(judged == 50);
  CHECK(q.rig.queue.judging().running() == 0);
}

TEST_CASE("a notice is judged by the filters for notices, and goes whatever they say") {
  Disk disk;
  FilteredQueue q(disk, {"notices"});
  CHECK(q.rig.accept(local_message(100, {"a@example.org"})) == AcceptEnd::stored);
  std::vector<Pick> leases = q.rig.leases();
  REQUIRE(leases.size() == 1);
  q.rig.end(leases[0], failed());
  q.rig.pass(std::chrono::minutes(1));
  REQUIRE(q.filters.asked.size() == 1);
  CHECK(q.filters.asked[0].message->message.info.kind == MessageKind::notice);
  CHECK(q.rig.leases().empty());
  q.answer(says(ipc::FilterVerdict::refuse, kRefusal));
  CHECK(q.rig.leases().size() == 1);
  CHECK(q.rig.notices().size() == 1);
}
