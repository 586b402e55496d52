#include "qmgr/store/postgres/pg_beats.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/boot_time.h"

#include "qmgr/cluster/clock_check.h"
#include "qmgr/store/postgres/session/pg_durability.h"
#include "qmgr/store/postgres/session/pg_registration.h"

namespace postwain::qmgr {

namespace {

// The answer to a beat that comes later than this proves nothing any more.
constexpr Duration kBeatWithin = std::chrono::seconds(3);
constexpr std::int64_t kLastTime = 1'000'000'000'000'000;  // milliseconds that any clock may show
constexpr std::int64_t kBusy = 1;
constexpr std::int64_t kIdle = 2;

NodeStatus pg_node(PgReader& row, bool& sane) {
  NodeStatus node;
  auto number = cluster::node_number(row.number());
  node.row.term = {row.number()};
  auto state = cluster::node_state(row.number());
  node.row.beat = {row.number()};
  node.row.weight =
      static_cast<std::uint16_t>(std::clamp<std::int64_t>(row.number(), 1, cluster::kWeightMost));
  std::int64_t load = row.number();
  node.row.busy = (load & kBusy) != 0;
  node.row.idle = (load & kIdle) != 0;
  node.stay = row.flag();
  node.name = row.text();
  node.version = row.text();
  node.config = row.text();
  node.seen = row.number();
  node.wants = row.text();
  sane = sane && number && state && row.done();
  if (number) node.row.id = *number;
  if (state) node.row.state = *state;
  return node;
}

cluster::BagRow pg_bag(PgReader& row, bool& sane) {
  cluster::BagRow bag;
  auto number = cluster::bag_number(row.number());
  std::int64_t owner = row.number();
  bag.owner = cluster::node_number(owner);
  sane = sane && number && (owner == -1 || bag.owner) && row.done();
  if (number) bag.id = *number;
  return bag;
}

// The places of a beat's commands in their flight; BEGIN is the first.
struct Step {
  enum : std::uint8_t { beat = 1, nodes, bags, facts, durability, clock, requests };
};
using Results = std::vector<PgResult>;

bool read_rows(const Results& results, BeatAnswer& answer) {
  bool sane = true;
  for (int i = 0; i < results[Step::nodes].rows(); ++i) {
    PgReader row(results[Step::nodes], i);
    answer.nodes.push_back(pg_node(row, sane));
  }
  for (int i = 0; i < results[Step::bags].rows(); ++i) {
    PgReader row(results[Step::bags], i);
    answer.bags.push_back(pg_bag(row, sane));
  }
  return sane && answer.bags.size() == mail::kBags;
}

bool read_marks(const Results& results, BeatAnswer& answer) {
  PgReader facts(results[Step::facts], 0);
  answer.facts = {facts.number(), facts.number()};
  PgReader requests(results[Step::requests], 0);
  answer.requests = {requests.flag(), requests.flag()};
  return facts.done() && requests.done();
}

bool read_server(const Results& results, BeatAnswer& answer) {
  auto durability = read_durability(results[Step::durability]);
  if (!durability) return false;
  answer.worth = cluster::name_of(cluster::worth_of(*durability));
  answer.lag = durability->lag;
  return true;
}

std::optional<WallTime> read_time(const PgResult& result) {
  PgReader row(result, 0);
  const std::int64_t server_ms = row.number();
  if (!row.done() || server_ms < 0 || server_ms >= kLastTime) return std::nullopt;
  return from_unix_ms(server_ms);
}

}  // namespace

PgBeats::PgBeats(net::Loop& loop, PgOptions options, const SharedQueue::Self& self)
    : options_(std::move(options)),
      self_(self),
      wakeup_(std::make_unique<net::Wakeup>(loop, [this] { deliver(); })),
      thread_([this] { run(); }) {}

PgBeats::~PgBeats() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    wake_.notify_one();
  }
  thread_.join();
}

void PgBeats::send(BeatOrder order, OnAnswer done) {
  done_ = std::move(done);
  std::lock_guard lock(mutex_);
  order_ = std::move(order);
  wake_.notify_one();
}

void PgBeats::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || order_.has_value(); });
    if (stop_) return;
    BeatOrder order = *std::exchange(order_, std::nullopt);
    lock.unlock();
    BeatAnswer answer = beat(order);
    lock.lock();
    answer_ = std::move(answer);
    wakeup_->notify();
  }
}

void PgBeats::deliver() {
  std::optional<BeatAnswer> answer;
  {
    std::lock_guard lock(mutex_);
    answer = std::exchange(answer_, std::nullopt);
  }
  if (answer) std::exchange(done_, nullptr)(*std::move(answer));
}

// In the order of Step.
std::vector<PgCommand> PgBeats::flight(const BeatOrder& order) const {
  const std::int64_t load = (order.busy ? kBusy : 0) | (order.idle ? kIdle : 0);
  PgParameters own;
  own.int2(self_.node).int8(self_.term).int2(load).bytes(order.config).int8(order.seen);
  own.bytes(order.wants);
  return {{Pg::begin, {}},       {Pg::beat, std::move(own)},
          {Pg::list_nodes, {}},  {Pg::list_bags, {}},
          {Pg::facts_mark, {}},  {Pg::select_durability, {}},
          {Pg::server_time, {}}, {Pg::requests_mark, PgParameters().int2(self_.node)},
          {Pg::commit, {}}};
}

BeatAnswer PgBeats::beat(const BeatOrder& order) {
  BeatAnswer away;
  if (!connection_ || connection_->is_lost()) {
    PgTarget target{options_.conninfo,
                    options_.secret ? options_.secret->get() : std::string(),
                    fmt::format("{}beat/", sessions_of_node(self_.node)),
                    kBeatWithin,
                    kBeatWithin,
                    options_.places,
                    options_.ending};
    auto opened = PgConnection::open(target);
    if (!opened) {
      away.error = opened.error().text;
      return away;
    }
    connection_ = opened.take();
  }
  const WallTime asked = wall_now();
  PgAnswers answers = connection_->run(flight(order));
  BeatAnswer answer = read(answers, asked);
  if (answer.end == cluster::BeatEnd::away) connection_.reset();
  return answer;
}

// An answer of another form says nothing.
BeatAnswer PgBeats::read(const PgAnswers& answers, WallTime asked) const {
  BeatAnswer answer;
  answer.answered_ms = boot_ms();
  const WallTime answered = wall_now();
  if (answers.error) {
    answer.error = answers.error->text;
    return answer;
  }
  if (!is_commit(answers)) {
    answer.error = "the database warned when it committed the beat";
    return answer;
  }
  answer.error = "the database's answer is not of the form that it should have";
  const bool sane = read_rows(answers.results, answer) && read_marks(answers.results, answer) &&
                    read_server(answers.results, answer);
  const std::optional<WallTime> server = read_time(answers.results[Step::clock]);
  if (!sane || !server) return answer;
  answer.clock_difference = cluster::clock_difference(asked, *server, answered);
  answer.error.clear();
  answer.server = connection_->describe();
  answer.end =
      answers.results[Step::beat].rows() == 1 ? cluster::BeatEnd::ok : cluster::BeatEnd::fenced;
  return answer;
}

}  // namespace postwain::qmgr
