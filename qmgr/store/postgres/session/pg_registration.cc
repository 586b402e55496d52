#include "qmgr/store/postgres/session/pg_registration.h"

#include <algorithm>
#include <string_view>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "common/base/boot_time.h"
#include "common/base/text.h"
#include "common/log/log.h"

#include "qmgr/store/postgres/session/batch_names.h"

namespace postwain::qmgr {

namespace {

using Kind = StoreError::Kind;
constexpr int kLastNode = 31;
// Claims of trials end with the process that made them. Those of places stay: the delivery clients
// of a process that has ended still have its connections, and tell the next one.
constexpr std::string_view kTrialClaims = "trial:";

// The transaction of a registration.
class Registration {
 public:
  Registration(PgConnection& connection, const PgOptions& options)
      : connection_(connection), options_(options) {}

  StoreResult<PgTerm> run() {
    term_.registered_ms = boot_ms();
    StoreStatus done = look_around();
    if (done && is_elsewhere_) done = wait_for_silence_elsewhere();
    if (done && options_.alone && others_ > 0) done = end_silent_others();
    if (done) done = take_number();
    if (done) done = take_bags();
    if (done) done = take_names();
    if (!done) {
      (void)ask({{Pg::roll_back, {}}});
      return done.error();
    }
    return term_;
  }

 private:
  using Answer = StoreResult<std::vector<PgResult>>;

  Answer ask(std::vector<PgCommand> commands) {
    PgAnswers answers = connection_.run(commands);
    if (answers.error) return *answers.error;
    return std::move(answers.results);
  }
  PgParameters name() const { return PgParameters().bytes(options_.node_name); }

  // Whoever registers at the same time waits until we have finished.
  StoreStatus look_around() {
    Answer found = ask({{Pg::begin, {}},
                        {Pg::limit_locks, {}},
                        {Pg::lock_registration, {}},
                        {Pg::find_self, name().bytes(options_.machine)},
                        {Pg::count_others, name()}});
    if (!found) return found.error();
    if ((*found)[3].rows() > 0) {
      PgReader row((*found)[3], 0);
      number_ = static_cast<std::int16_t>(row.number());
      bool lives = row.number() != 0;
      bool same_machine = row.flag();
      own_beat_ = row.number();
      if (!row.done() || number_ < 0 || number_ > kLastNode) return strange_answer();
      is_elsewhere_ = lives && !same_machine;
      if (is_elsewhere_ && !options_.take_over)
        return StoreError{
            Kind::busy,
            fmt::format("the node \"{}\" in this database belongs to another machine, or to "
                        "another spool: give this one a name of its own ([queue] node); only where "
                        "that one is lost for good, 'postwain queue take-over' makes its part this "
                        "one's",
                        printable(options_.node_name))};
    }
    return read_others((*found)[4]);
  }

  StoreStatus read_others(const PgResult& result) {
    PgReader row(result, 0);
    others_ = row.number();
    beats_ = row.number();
    return row.done() ? StoreStatus() : strange_answer();
  }

  // Nobody is thrown out who works, whatever an operator believes of him.
  StoreStatus wait_for_silence_elsewhere() {
    const std::int64_t before = own_beat_;
    if (Answer ended = ask({{Pg::roll_back, {}}}); !ended) return ended.error();
    std::this_thread::sleep_for(options_.silence);
    if (StoreStatus s = look_around(); !s) return s;
    if (!is_elsewhere_ || own_beat_ == before) return {};
    return StoreError{
        Kind::busy, fmt::format("the node \"{}\" works at this moment, on another machine or with "
                                "another spool: give this one a name of its own ([queue] node), or "
                                "stop that one first; nothing was changed",
                                printable(options_.node_name))};
  }

  // No lock is held while we wait.
  StoreStatus end_silent_others() {
    const std::int64_t before = beats_;
    if (Answer ended = ask({{Pg::roll_back, {}}}); !ended) return ended.error();
    std::this_thread::sleep_for(options_.silence);
    if (StoreStatus s = look_around(); !s) return s;
    if (beats_ != before)
      return StoreError{Kind::busy,
                        "other nodes work with the queue in this database; stop Postwain on each "
                        "of them first ('postwain cluster status' there names them)"};
    Answer ended = ask({{Pg::drop_other_claims, name()}, {Pg::end_others, name()}});
    others_ = 0;
    return ended ? StoreStatus() : StoreStatus(ended.error());
  }

  StoreStatus take_number() {
    Answer found = ask({{Pg::register_node, PgParameters()
                                                .int2(number_)
                                                .bytes(options_.node_name)
                                                .bytes(options_.machine)
                                                .int2(options_.take_over ? 1 : 0)
                                                .int2(options_.weight)
                                                .bytes(options_.version)}});
    if (!found) return found.error();
    if (found->front().rows() == 0)
      return StoreError{Kind::busy,
                        "all 32 numbers of nodes are given; 'postwain cluster leave' makes one "
                        "free whose node is gone for ever"};
    PgReader row(found->front(), 0);
    term_.node = static_cast<std::int16_t>(row.number());
    term_.term = row.number();
    if (!row.done() || term_.node < 0 || term_.node > kLastNode) return strange_answer();
    return {};
  }

  StoreStatus take_bags() {
    Answer found = ask(
        {{Pg::end_other_sessions, PgParameters().bytes(sessions_of_node(term_.node))},
         {Pg::raise_lane, PgParameters().int2(term_.node).int2(kLane)},
         {Pg::take_bags, PgParameters().int2(term_.node).int2(others_ == 0 ? 1 : 0)},
         {Pg::select_names, PgParameters().array(every_node()).int2(term_.node).int8(term_.term)},
         {Pg::raise_lane, PgParameters().int2(term_.node).int2(kKeeperLane)},
         {Pg::drop_claims, PgParameters().int2(term_.node).bytes(kTrialClaims)}});
    if (!found) return found.error();
    StoreResult<std::int64_t> token = number_in((*found)[1]);
    if (!token) return token.error();
    term_.token = *token;
    for (int i = 0; i < (*found)[2].rows(); ++i) {
      PgReader row((*found)[2], i);
      std::int64_t bag = row.number();
      if (!row.done() || bag < 0 || bag >= static_cast<std::int64_t>(mail::kBags))
        return strange_answer();
      term_.bags |= std::uint64_t{1} << bag;
    }
    auto names = read_names((*found)[3], term_.bags);
    if (!names) return names.error();
    term_.names = names.take();
    return {};
  }

  // Of nodes that live there are no names of our bags; a bag is given without any.
  static PgArray every_node() {
    PgArray nodes(PgArray::Element::int2);
    for (int i = 0; i <= kLastNode; ++i) nodes.number(i);
    return nodes;
  }

  StoreStatus take_names() {
    PgAnswers answers = connection_.run(std::vector<PgCommand>{
        {Pg::name_batch,
         PgParameters().int2(term_.node).int8(term_.term).int8(1).bytes(bytes_of(term_.names))},
        {Pg::forget_terms, PgParameters().int2(term_.node).int8(term_.term)},
        {Pg::forget_names, {}},
        {Pg::commit, {}}});
    if (answers.error) return *answers.error;
    if (!is_commit(answers))
      return StoreError{Kind::away, "the database warned while the lane was taken"};
    return {};
  }

  PgConnection& connection_;
  const PgOptions& options_;
  PgTerm term_;
  std::int16_t number_ = -1;
  bool is_elsewhere_ = false;  // the node lives, with another spool than ours
  std::int64_t own_beat_ = 0;  // of that one
  std::int64_t others_ = 0;    // nodes that count as living
  std::int64_t beats_ = 0;     // the sum of theirs
};

}  // namespace

std::string sessions_of_node(std::int16_t node) {
  return fmt::format("postwain/{}/", node);
}

StoreResult<PgTerm> register_node(PgConnection& connection, const PgOptions& options) {
  return Registration(connection, options).run();
}

StoreResult<std::vector<AttemptName>> read_names(const PgResult& result, std::uint64_t bags) {
  constexpr int kToldMost = 10;
  std::vector<AttemptName> names;
  int unreadable = 0;
  for (int i = 0; i < result.rows(); ++i) {
    PgReader row(result, i);
    const std::int64_t node = row.number();
    const std::int64_t term = row.number();
    const std::int64_t batch = row.number();
    auto some = names_in(row.view());
    if (!row.done()) return strange_answer();
    if (!some) {
      if (++unreadable <= kToldMost)
        log::Line(log::Level::error, "attempts_unreadable")
            .kv("node", node)
            .kv("term", term)
            .kv("batch", batch);
      continue;
    }
    for (const AttemptName& one : *some)
      if (one.id.is_in(bags)) names.push_back(one);
  }
  if (unreadable > kToldMost)
    log::Line(log::Level::error, "attempts_unreadable").kv("others", unreadable - kToldMost);
  // One that was tried again while its former row stood has two.
  auto by_id = [](const AttemptName& a, const AttemptName& b) {
    return std::pair(a.id.value, a.index) < std::pair(b.id.value, b.index);
  };
  std::sort(names.begin(), names.end(), by_id);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

bool is_commit(const PgAnswers& answers) {
  return answers.ok() && !answers.warned && !answers.results.empty() &&
         answers.results.back().tag() == "COMMIT";
}

StoreResult<std::int64_t> number_in(const PgResult& result) {
  PgReader row(result, 0);
  std::int64_t number = row.number();
  if (result.rows() != 1 || !row.done()) return strange_answer();
  return number;
}

}  // namespace postwain::qmgr
