// From the store into memory, and back (refilling.h, refill_jobs.h, put_back.h).
#include "tests/unit/queue/queue_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;

namespace {

config::Config with_route(std::uint32_t recipients) {
  config::Config config = config_of_rig();
  config::Route route;
  route.match = {"*"};
  route.deliver = *mail::NextHop::parse("smtp:relay.example:25");
  route.recipients = recipients;
  config.routes.push_back(route);
  return config;
}

DuePage::Row row(std::uint64_t id, std::uint32_t index) {
  DuePage::Row out;
  out.message = mail::QueueId{id};
  out.recipient.index = index;
  out.recipient.recipient.address = mail::Address::from_text("a@example.org");
  out.recipient.destination = "mx:example.org";
  out.recipient.next_attempt_at = at(static_cast<std::int64_t>(index));
  return out;
}

MessageInfo info(std::uint64_t id) {
  MessageInfo out;
  out.id = mail::QueueId{id};
  return out;
}

}  // namespace

TEST_CASE("a reload routes again what waits in memory, and nothing that is leased") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org"}));
  std::vector<Pick> leases = rig.leases();
  rig.accept(make_message(101, {"a@example.org"}));
  rig.queue.configure(with_route(0));
  CHECK(rig.queue.working().messages() == 1);
  rig.run();
  std::vector<Pick> routed = rig.leases();
  REQUIRE(routed.size() == 1);
  CHECK(routed[0].job.id.value == 101);
  CHECK(rig.queue.scheduler().key(routed[0].destination) == "smtp:relay.example:25");
  rig.end(leases[0], delivered());
  rig.end(routed[0], delivered());
  CHECK(rig.messages() == 0);
}

TEST_CASE("rows are leased as many at once as the route allows") {
  Disk disk;
  {
    QueueRig before(disk, with_route(2));
    before.start();
    before.accept(make_message(100, {"a@example.org", "b@example.org", "c@example.org"}));
  }
  QueueRig rig(disk, with_route(2), std::chrono::minutes(1));
  rig.start();
  rig.run();
  std::vector<std::size_t> sizes;
  for (const Pick& pick : rig.leases()) sizes.push_back(pick.job.recipients.size());
  CHECK(sizes == std::vector<std::size_t>{2, 1});
}

TEST_CASE("recipients in memory are not read a second time") {
  Disk disk;
  QueueRig rig(disk);
  rig.start();
  rig.accept(make_message(100, {"a@example.org"}));
  rig.accept(make_message(101, {"a@example.org"}));
  std::vector<Pick> leases = rig.leases();
  rig.end(leases[0], deferred());
  rig.pass(std::chrono::minutes(10));
  std::vector<Pick> again = rig.leases();
  REQUIRE(again.size() == 1);
  CHECK(again[0].job.id == leases[0].job.id);
}

TEST_CASE("jobs of one read: a lease is one message, one company, and never too many") {
  RefillRead read;
  for (std::uint32_t i = 0; i < 5; ++i) read.page.rows.push_back(row(1, 4 - i));
  read.page.rows.push_back(row(2, 0));
  read.page.rows.push_back(row(3, 0));  // of a message that is gone
  read.page.messages = {info(1), info(2)};
  RefillJobs jobs(read, "mx:example.org");
  for (const RefillJobs::Row& one : jobs.rows()) jobs.add(one, 7, Company::any, 3);
  std::vector<RefillGroup> groups = jobs.take_groups();
  REQUIRE(groups.size() == 3);
  CHECK(groups[0].rows.size() == 3);
  CHECK(groups[0].rows[0]->index == 2);  // in index order
  CHECK(groups[0].rows[2]->index == 4);
  CHECK(groups[0].remaining == 5);
  CHECK(groups[1].rows.size() == 2);
  CHECK(groups[1].first == 3);
  CHECK(groups[2].info->id.value == 2);
}

TEST_CASE("jobs of one read: whoever ended the session is tried alone") {
  RefillRead read;
  for (std::uint32_t i = 0; i < 3; ++i) read.page.rows.push_back(row(1, i));
  read.page.messages = {info(1)};
  RefillJobs jobs(read, "mx:example.org");
  for (const RefillJobs::Row& one : jobs.rows()) jobs.add(one, 7, Company::alone, 100);
  CHECK(jobs.take_groups().size() == 3);
}

TEST_CASE("jobs of one read: a group that broke off is cut into parts") {
  RefillRead read;
  for (std::uint32_t i = 0; i < 8; ++i) {
    read.page.rows.push_back(row(1, i));
    read.page.rows.back().recipient.attempts = 1;
  }
  read.page.messages = {info(1)};
  RefillJobs jobs(read, "mx:example.org");
  for (const RefillJobs::Row& one : jobs.rows()) jobs.add(one, 7, Company::fewer, 100);
  std::vector<RefillGroup> groups = jobs.take_groups();
  CHECK(groups.size() == parts_of(Company::fewer, 1));
  std::size_t sum = 0;
  for (const RefillGroup& group : groups) sum += group.rows.size();
  CHECK(sum == 8);
}

TEST_CASE("jobs of one read: a compact record brings its recipients of that destination only") {
  RefillRead read;
  QueueReader::Compact compact;
  compact.message.info = info(1);
  compact.message.recipients = {row(1, 0).recipient, row(1, 1).recipient};
  compact.message.recipients[1].destination = "mx:other.example";
  read.compact.push_back(compact);
  RefillJobs jobs(read, "mx:example.org");
  CHECK(jobs.due_rows() == 0);
  std::vector<RefillJobs::Row> rows = jobs.rows();
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].recipient->index == 0);
  CHECK(rows[0].compact != nullptr);
}
