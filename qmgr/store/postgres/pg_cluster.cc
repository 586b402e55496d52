#include "qmgr/store/postgres/pg_cluster.h"

#include <utility>

#include "qmgr/store/postgres/pg_values.h"

namespace postwain::qmgr {

namespace {

PgArray array_of_bags(std::uint64_t bags) {
  return array_of(list_of_bags(bags));
}

}  // namespace

SharedQueue::Self PgCluster::self() const {
  return {static_cast<std::uint8_t>(session_.node()), session_.term(), session_.registered_ms()};
}

void PgCluster::receive(std::uint64_t bags) {
  session_.bags().set_own(session_.bags().own() | bags);
}

StoreResult<bool> PgCluster::change(std::vector<PgCommand> commands) {
  session_.begin();
  session_.defer(Pg::limit_locks);
  for (PgCommand& one : commands) session_.defer(one.statement, std::move(one.parameters));
  StoreStatus done = session_.commit();
  if (done) return true;
  session_.roll_back();
  if (done.error().kind == StoreError::Kind::refused) return false;
  return done.error();
}

// Half a transaction of a process that stands still holds locks, also on the row of its node. So
// its sessions are ended first. If it lives all the same, it takes new ones. Its claims come before
// its lanes, as in its own transactions, so that the two cannot wait for each other.
StoreResult<bool> PgCluster::fence(std::uint8_t node, std::int64_t term, std::int64_t beat) {
  auto ended = session_.run(Pg::end_other_sessions, PgParameters().bytes(sessions_of_node(node)));
  if (!ended) return ended.error();
  std::vector<PgCommand> commands;
  commands.push_back({Pg::drop_node_claims, PgParameters().int2(node)});
  commands.push_back({Pg::fence_node, PgParameters().int2(node).int8(term).int8(beat)});
  return change(std::move(commands));
}

// A term that was ended writes no names any more, so they may be read before.
StoreResult<SharedQueue::Adopted> PgCluster::adopt(std::optional<Dead> from, std::uint64_t bags) {
  Adopted adopted;
  const std::int64_t count = std::popcount(bags);
  std::vector<PgCommand> commands;
  if (from) {
    PgArray nodes(PgArray::Element::int2);
    nodes.number(from->node);
    auto names = session_.names_of_terms(std::move(nodes), bags);
    if (!names) return names.error();
    adopted.names = names.take();
    commands.push_back({Pg::adopt_bags, PgParameters()
                                            .int2(from->node)
                                            .int8(from->term)
                                            .int2(session_.node())
                                            .array(array_of_bags(bags))
                                            .int8(count)});
    commands.push_back({Pg::forget_names, {}});
  } else {
    commands.push_back(
        {Pg::adopt_free_bags,
         PgParameters().int2(session_.node()).array(array_of_bags(bags)).int8(count)});
  }
  for (const AttemptName& name : adopted.names) session_.names().add(name);
  StoreResult<bool> done = change(std::move(commands));
  if (!done) return done.error();
  adopted.done = *done;
  if (*done) receive(bags);
  return adopted;
}

StoreResult<bool> PgCluster::give(std::uint8_t bag, std::uint8_t to) {
  const std::uint64_t bit = std::uint64_t{1} << bag;
  session_.names().end_bags(bit);
  std::vector<PgCommand> commands;
  commands.push_back({Pg::give_bag, PgParameters().int2(bag).int2(session_.node()).int2(to)});
  StoreResult<bool> done = change(std::move(commands));
  if (done && *done) session_.bags().set_own(session_.bags().own() & ~bit);
  return done;
}

StoreResult<bool> PgCluster::change_rows(Pg statement, PgParameters parameters) {
  std::vector<PgCommand> commands;
  commands.push_back({statement, std::move(parameters)});
  return change(std::move(commands));
}

StoreResult<bool> PgCluster::set_stay(const std::string& node, bool stay) {
  return change_rows(Pg::set_stay, PgParameters().bytes(node).int2(stay ? 1 : 0));
}

StoreResult<bool> PgCluster::forget(const std::string& node) {
  return change_rows(Pg::forget_node, PgParameters().bytes(node));
}

// The lane's token stays, so from here on this process itself has to keep off.
StoreStatus PgCluster::leave() {
  std::vector<PgCommand> commands;
  commands.push_back({Pg::drop_node_claims, PgParameters().int2(session_.node())});
  commands.push_back(
      {Pg::leave_cluster, PgParameters().int2(session_.node()).int8(session_.term())});
  StoreResult<bool> done = change(std::move(commands));
  if (!done) return done.error();
  session_.end("this node has left the queue");
  return {};
}

}  // namespace postwain::qmgr
