#include "qmgr/nodes/nodes.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/boot_time.h"
#include "common/log/log.h"

namespace postwain::qmgr {

namespace {

// More jobs than this wait: the node cannot do what it has. Fewer: it could do more.
constexpr std::size_t kBusyJobs = 5000;
constexpr std::size_t kIdleJobs = 100;

cluster::Membership::Self member_of(const SharedQueue::Self& self) {
  return {cluster::NodeNumber{self.node}, cluster::Term{self.term},
          cluster::BootTime(Duration(self.registered_ms))};
}

// One call of SharedQueue where the store is; its result comes back on the loop.
template <class Ask, class Then>
void ask_shared(Queue& queue, Ask ask, Then then) {
  read_then(
      queue.store(), [ask = std::move(ask)](QueueStore& store) { return ask(*store.shared()); },
      std::move(then));
}

}  // namespace

Nodes::Nodes(net::Loop& loop, Queue& queue, std::unique_ptr<BeatService> beats,
             const SharedQueue::Self& self, std::uint64_t own, std::string name, Hooks hooks)
    : queue_(queue),
      self_(self),
      name_(std::move(name)),
      hooks_(std::move(hooks)),
      membership_(member_of(self)),
      owned_(own),
      changed_ms_(cluster::kNodes),
      beats_seen_(cluster::kNodes, -1),
      doubts_(queue.store()),
      timer_(loop),
      beats_(std::move(beats)) {
  queue_.bags().begin(own);
  tell_bags();
  hooks_.say_word(
      {self.registered_ms, static_cast<std::uint32_t>(cluster::kTiming.word_good.count()), false});
  timer_.repeat(cluster::kTiming.beat / 2, [this] { tick(); });
  send_beat();
}

cluster::BootTime Nodes::boot_now() const {
  return cluster::BootTime(Duration(boot_ms()));
}

void Nodes::stop() {
  stopped_ = true;
  timer_.stop();
}

// --- beats ------------------------------------------------------------------------------------

void Nodes::tick() {
  look_at_standing();
  go_on_giving();
  doubts_.look(mono_now());
  if (!beating_ && boot_now() - sent_ >= cluster::kTiming.beat) send_beat();
}

void Nodes::send_beat() {
  beating_ = true;
  sent_ = boot_now();
  membership_.beat_sent(sent_);
  note_own_facts();
  const std::size_t jobs = queue_.scheduler().moving_jobs();
  BeatOrder order;
  order.busy = jobs >= kBusyJobs;
  order.idle = jobs <= kIdleJobs;
  order.config = config_;
  if (hooks_.before_beat) hooks_.before_beat(order);
  beats_->send(std::move(order), [this](BeatAnswer answer) { answered(std::move(answer)); });
}

// What this node has written and another one has taken back between two beats leaves the marks of
// the database as they were.
void Nodes::note_own_facts() {
  const std::uint64_t version = queue_.suspensions().version();
  if (std::exchange(facts_version_, version) != version) facts_written_ = true;
}

void Nodes::answered(BeatAnswer answer) {
  beating_ = false;
  if (stopped_) return;
  std::vector<cluster::NodeRow> rows;
  for (const NodeStatus& node : answer.nodes) rows.push_back(node.row);
  const std::vector<std::uint64_t> messages = messages_of_bags();
  cluster::BeatReport report;
  report.end = answer.end;
  report.answered = cluster::BootTime(Duration(answer.answered_ms));
  report.nodes = rows;
  report.bags = answer.bags;
  report.messages = messages;
  report.busy = queue_.scheduler().moving_jobs() >= kBusyJobs;
  cluster::Decisions decisions = membership_.beat_ended(report);
  if (membership_.standing(boot_now()) == cluster::Standing::fenced)
    return stop_working("another node has ended this node's term");
  away_ = answer.end == cluster::BeatEnd::ok ? std::string() : answer.error;
  if (answer.end != cluster::BeatEnd::ok) return look_at_standing();
  for (const NodeStatus& node : answer.nodes) {
    std::size_t number = node.row.id.value;
    if (std::exchange(beats_seen_[number], node.row.beat.value) != node.row.beat.value)
      changed_ms_[number] = answer.answered_ms;
  }
  any_answer_ = true;
  last_ = std::move(answer);
  look_at_clock(last_.clock_difference);
  hooks_.say_word({sent_.time_since_epoch().count(),
                   static_cast<std::uint32_t>(cluster::kTiming.word_good.count()), false});
  look_at_standing();
  if (hooks_.beat_answered) hooks_.beat_answered(last_);
  if (!queue_.start().complete()) return;
  tell_facts();
  carry_out(decisions);
}

void Nodes::tell_facts() {
  const bool changed =
      std::exchange(suspensions_, last_.facts.suspensions) != last_.facts.suspensions;
  const bool written = std::exchange(facts_written_, false);
  if ((changed || written) && hooks_.suspensions_changed) hooks_.suspensions_changed();
}

void Nodes::look_at_standing() {
  const bool worked = may_work();
  cluster::Standing now = membership_.standing(boot_now());
  if (std::exchange(standing_, now) != now) {
    if (now == cluster::Standing::unsure)
      log::Line(log::Level::error, "node_unsure").kv("node", name_);
    if (now == cluster::Standing::live) log::Line(log::Level::info, "node_live").kv("node", name_);
  }
  if (worked != may_work()) hooks_.standing_changed();
}

void Nodes::look_at_clock(Duration difference) {
  const bool worked = may_work();
  const cluster::ClockStanding before = std::exchange(clock_, cluster::judge_clock(difference));
  if (clock_ != before && clock_ == cluster::ClockStanding::right)
    log::Line(log::Level::info, "clock_agrees").kv("node", name_);
  else if (clock_ != before)
    log::Line(clock_ == cluster::ClockStanding::wrong ? log::Level::error : log::Level::warning,
              "clock_differs")
        .kv("node", name_)
        .kv("by",
            (difference < Duration(0) ? "-" : "+") + format_duration(std::chrono::abs(difference)));
  if (worked != may_work()) hooks_.standing_changed();
}

void Nodes::stop_working(const std::string& why) {
  if (std::exchange(standing_, cluster::Standing::fenced) == cluster::Standing::fenced) return;
  timer_.stop();
  hooks_.say_word({0, 0, true});
  hooks_.fenced({StoreError::Kind::fenced, why});
}

std::vector<std::uint64_t> Nodes::messages_of_bags() const {
  std::vector<std::uint64_t> messages(cluster::kBags);
  for (mail::QueueId id : queue_.working().ids()) ++messages[id.bag()];
  // They cannot be given now.
  cluster::BagSet::of_bits(queue_.recorder().left_bags()).for_each([&](cluster::BagNumber bag) {
    messages[bag.value] += UINT32_MAX;
  });
  return messages;
}

// --- what follows from them ------------------------------------------------------------------

void Nodes::carry_out(const cluster::Decisions& decisions) {
  for (const cluster::Fence& one : decisions.fence) fence(one, nullptr);
  for (const cluster::Adopt& one : decisions.adopt) adopt(one);
  const std::uint64_t own = decisions.own.bits();
  // Of a bag that is being given a beat may know before the store has told us that it went.
  if ((owned_ & ~own & ~moving_ & ~gives_.all()) != 0)
    return stop_working("a part of the queue that was this node's is another one's");
  if (std::uint64_t come = own & ~owned_ & ~moving_; come != 0) receive(come);
  begin_gives(decisions.give);
}

void Nodes::fence(const cluster::Fence& one, Done done) {
  ask_shared(
      queue_,
      [one](SharedQueue& shared) {
        return shared.fence(one.node.value, one.term.value, one.beat.value);
      },
      [this, one, done](const StoreResult<bool>& fenced) {
        if (fenced && *fenced) {
          ++fences_;
          log::Line(log::Level::warning, "node_fenced")
              .kv("node", name_of(one.node))
              .kv("term", one.term.value);
        }
        if (!done) return;
        if (!fenced) return done(fenced.error().text);
        done(*fenced ? "" : "it has shown that it lives, or its term has been ended already");
      });
}

void Nodes::adopt(const cluster::Adopt& one) {
  if ((one.bags.bits() & moving_) != 0) return;
  std::optional<SharedQueue::Dead> from;
  if (one.from) {
    const NodeStatus* dead = status_of(*one.from);
    if (dead != nullptr) from = {one.from->value, dead->row.term.value};
  }
  moving_ |= one.bags.bits();
  ask_shared(
      queue_,
      [from, bags = one.bags.bits()](SharedQueue& shared) { return shared.adopt(from, bags); },
      [this, one](StoreResult<SharedQueue::Adopted> done) {
        moving_ &= ~one.bags.bits();
        if (done && done->done) adopted(one, done.take());
      });
}

void Nodes::adopted(const cluster::Adopt& one, SharedQueue::Adopted adopted) {
  one.bags.for_each([this](cluster::BagNumber bag) { membership_.bag_came(bag); });
  owned_ |= one.bags.bits();
  adoptions_ += one.bags.size();
  log::Line(log::Level::warning, "bags_adopted")
      .kv("node", one.from ? name_of(*one.from) : std::string())
      .kv("bags", one.bags.size())
      .kv("in_doubt", adopted.names.size());
  queue_.bags().open(one.bags.bits(), std::move(adopted.names), nullptr,
                     one.from ? name_of(*one.from) : std::string());
  tell_bags();
  hooks_.standing_changed();
}

void Nodes::receive(std::uint64_t bags) {
  moving_ |= bags;
  ask_shared(
      queue_,
      [bags](SharedQueue& shared) {
        shared.receive(bags);
        return StoreResult<bool>(true);
      },
      [this, bags](const StoreResult<bool>&) {
        moving_ &= ~bags;
        owned_ |= bags;
        log::Line(log::Level::info, "bags_came").kv("bags", cluster::BagSet::of_bits(bags).size());
        queue_.bags().open(bags, {}, nullptr);
        tell_bags();
        hooks_.standing_changed();
      });
}

// New ids first: of bags that are open. Until a bag is closed, what has such an id is still taken.
void Nodes::tell_bags() {
  const std::uint64_t open = owned_ & ~gives_.all();
  hooks_.bags_changed(open, owned_ & ~gives_.closed());
}

// --- giving -----------------------------------------------------------------------------------

void Nodes::begin_gives(const std::vector<cluster::Give>& gives) {
  if (gives.empty()) return;
  for (const cluster::Give& one : gives) {
    // One that has only just come is decided on again.
    if ((owned_ & bit_of(one.bag)) == 0)
      membership_.give_ended(one.bag);
    else
      gives_.add(one, mono_now());
  }
  tell_bags();
}

void Nodes::go_on_giving() {
  if (gives_.empty()) return;
  MonoTime now = mono_now();
  if (std::uint64_t due = gives_.close_due(now, queue_.recorder().left_bags()); due != 0) {
    tell_bags();
    queue_.bags().close(due);
    ask_shared(
        queue_,
        [closed = gives_.closed()](SharedQueue& shared) {
          shared.hide_bags(closed);
          return StoreResult<bool>(true);
        },
        [](const StoreResult<bool>&) {});
  }
  std::uint64_t used = 0;
  cluster::BagSet::of_bits(gives_.closed()).for_each([&](cluster::BagNumber bag) {
    if (queue_.bags().is_used(bit_of(bag))) used |= bit_of(bag);
  });
  for (const cluster::Give& one : gives_.take_late(now)) keep(one);
  for (const cluster::Give& one : gives_.take_ready(used)) give(one);
}

void Nodes::give(const cluster::Give& one) {
  ask_shared(
      queue_, [one](SharedQueue& shared) { return shared.give(one.bag.value, one.to.value); },
      [this, one](const StoreResult<bool>& done) { given(one, done && *done); });
}

void Nodes::given(const cluster::Give& one, bool done) {
  if (!done) return gives_.retry(one.bag);
  membership_.bag_went(one.bag);
  owned_ &= ~bit_of(one.bag);
  gives_.end(one.bag);
  ++gives_done_;
  log::Line(log::Level::info, "bag_given").kv("bag", one.bag.value).kv("node", name_of(one.to));
  queue_.bags().gone();
  tell_bags();
  hooks_.standing_changed();
}

void Nodes::keep(const cluster::Give& one) {
  log::Line(log::Level::warning, "bag_kept").kv("bag", one.bag.value).kv("node", name_of(one.to));
  membership_.give_ended(one.bag);
  ask_shared(
      queue_,
      [closed = gives_.closed()](SharedQueue& shared) {
        shared.hide_bags(closed);
        return StoreResult<bool>(true);
      },
      [this, one](const StoreResult<bool>&) { queue_.bags().open_again(bit_of(one.bag)); });
  tell_bags();
}

}  // namespace postwain::qmgr
