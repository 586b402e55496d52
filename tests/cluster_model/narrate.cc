// Steps in words.
#include "tests/cluster_model/model.h"

namespace postwain::cluster_model {

namespace {

std::string node_name(Octet node) {
  return std::string("node ") + static_cast<char>('A' + node);
}
std::string bag_name(Octet bag) {
  return "bag " + std::to_string(bag + 1);
}
std::string message_name(Octet message) {
  return "message " + std::to_string(message + 1);
}

std::string name_of_transaction(const Flight& flight) {
  switch (flight.kind) {
    case Kind::accept:
      return "the batch that accepts " + message_name(flight.what) + " into " +
             bag_name(flight.whom);
    case Kind::accept_named:
      return "the batch that accepts " + message_name(flight.what) + " into " +
             bag_name(flight.whom) + " and names an attempt at it";
    case Kind::unname:
      return "the batch that ends the early name at " + message_name(flight.what);
    case Kind::name:
      return "the batch that names an attempt at " + message_name(flight.what);
    case Kind::settle:
      return "the batch that settles " + message_name(flight.what);
    case Kind::open:
      return "the batch that reads the doubts of " + bag_name(flight.what);
    case Kind::give:
      return "the batch that gives " + bag_name(flight.what) + " to " + node_name(flight.whom);
    case Kind::adopt:
      return "the adoption of " + bag_name(flight.what) + " from " + node_name(flight.whom);
    case Kind::fence:
      return "the fence against " + node_name(flight.what);
    case Kind::none:
      break;
  }
  return "nothing";
}

std::string of_answer(const Flight& flight) {
  switch (flight.phase) {
    case Phase::done:
      return " hears COMMIT for ";
    case Phase::warned:
      return " hears COMMIT with a warning for ";
    case Phase::fence_failed:
      return " hears that its token is not valid, for ";
    default:
      return " hears that nothing was done, for ";
  }
}

std::string describe_work(const Action& action) {
  std::string who = node_name(action.node);
  switch (action.what) {
    case Do::submit:
    case Do::submit_named:
      return "a client ends " + message_name(action.a) + " at " + who + ", for " +
             bag_name(action.b) +
             (action.what == Do::submit ? "" : ", and an attempt is named with it");
    case Do::end_name:
      return who + " sends the batch that ends the early name at " + message_name(action.a);
    case Do::name:
      return who + " sends the batch that names an attempt at " + message_name(action.a);
    case Do::lend:
      return who + " lends " + message_name(action.a) + " to its agent";
    case Do::end_data:
      return "the agent of " + who + " ends the data of " + message_name(action.a) +
             ": the peer has it";
    case Do::drop:
      return who + " drops its attempt at " + message_name(action.a);
    case Do::settle:
      return who + " sends the batch that settles " + message_name(action.a);
    case Do::open:
      return who + " sends the batch that reads the doubts of " + bag_name(action.a);
    case Do::give:
      return who + " sends the batch that gives " + bag_name(action.a) + " to " +
             node_name(action.b);
    case Do::adopt:
      return who + " sends the adoption of " + bag_name(action.a) + " from " + node_name(action.b);
    default:
      return who + " sends the fence against " + node_name(action.a);
  }
}

std::string describe_lane(const Node& node, const Action& action) {
  std::string who = node_name(action.node);
  std::string what = name_of_transaction(node.flight) + " of " + who;
  std::string old = name_of_transaction(node.old) + " of " + who;
  switch (action.what) {
    case Do::arrive:
      return what + " has arrived, and its token is looked at";
    case Do::halve:
      return "half of " + what + " has arrived; its rows are locked";
    case Do::commit:
      return what + " commits";
    case Do::commit_warned:
      return what + " becomes visible, and is not kept yet";
    case Do::refuse:
      return what + " is rolled back";
    case Do::answer:
      return who + of_answer(node.flight) + name_of_transaction(node.flight);
    case Do::lose:
      return who + " loses the connection of " + name_of_transaction(node.flight);
    case Do::old_arrive:
      return "on the old connection, " + old + " has arrived, and its token is looked at";
    case Do::old_halve:
      return "on the old connection, half of " + old + " has arrived; its rows are locked";
    case Do::old_commit:
      return "on the old connection, " + old + " commits";
    case Do::old_ends:
      return "the old connection of " + who + " ends";
    case Do::retake:
      return who + " retakes its lane and looks for " + name_of_transaction(node.flight);
    case Do::give_up:
      return who + " cannot look for " + name_of_transaction(node.flight) + ", and ends";
    default:
      return who + " retakes its lane, and the answer is lost";
  }
}

std::string describe_fault(const Action& action) {
  std::string who = node_name(action.node);
  switch (action.what) {
    case Do::crash:
      return who + " is killed";
    case Do::start:
      return who + " starts and registers";
    case Do::pause:
      return who + " stands still; its clock goes on";
    case Do::freeze:
      return who + " stands still, and its clock, too";
    case Do::resume:
      return who + " goes on";
    case Do::cut:
      return who + " hears nothing of the database any more";
    case Do::heal:
      return who + " hears the database again";
    case Do::restart:
      return "the database goes away; what was visible stays";
    case Do::fail_over:
      return "the database goes away; what was not answered is gone";
    case Do::back:
      return "the database is back";
    default:
      return "a tick passes";
  }
}

}  // namespace

std::string Model::describe(const State& before, const Action& action) {
  std::string who = node_name(action.node);
  if (action.what <= Do::fence) return describe_work(action);
  if (action.what <= Do::give_up) return describe_lane(before.node[action.node], action);
  switch (action.what) {
    case Do::beat:
      return who + " beats";
    case Do::beat_send:
      return who + " sends a beat";
    case Do::beat_halve:
      return "half of the beat of " + who + " has arrived; its row is locked";
    case Do::beat_read:
      return "the beat of " + who + " is counted, and the rows are read";
    case Do::beat_answer:
      return who + " hears the answer to its beat";
    default:
      return describe_fault(action);
  }
}

std::string_view name_of(Mistake mistake) {
  constexpr std::string_view kNames[kMistakes] = {
      "none",
      "no fence",
      "fence without lock",
      "own token not raised before a batch is repeated",
      "adoption before the fence commits",
      "names not read",
      "lease before its name",
      "gate open",
      "word counted from its answer",
      "word good for longer than the silence",
      "silence counted while the own beats fail",
      "life judged by wall clocks",
      "warning at COMMIT ignored",
      "ROLLBACK taken for COMMIT",
      "250 before the tag",
      "COMMIT answered before it is kept",
      "rows older than a move believed",
      "names of the last term alone",
      "sessions of the dead not ended",
      "decisions kept beyond the next beat",
      "a lane retaken under the known token only",
      "an adoption sent in pieces",
      "sessions of the dead ended too late",
      "250 without a look for the message",
      "451 without a look for the message",
      "an early name that is not written",
      "an early name ended under an attempt that has begun",
  };
  return kNames[static_cast<unsigned>(mistake)];
}

std::string_view name_of(Wrong wrong) {
  switch (wrong) {
    case Wrong::nothing:
      return "nothing";
    case Wrong::lost:
      return "an acknowledged message is lost";
    case Wrong::twice_unmarked:
      return "two ends of data without a mark of doubt";
    case Wrong::dead_settled:
      return "a settlement under a dead token";
    case Wrong::foreign_write:
      return "a write into another node's bag";
    case Wrong::late_end:
      return "an end of data after another node's lease";
    case Wrong::healthy_fenced:
      return "a healthy node was fenced";
    case Wrong::ended_for_nothing:
      return "a node ended itself for nothing";
    case Wrong::bag_rests:
      return "a bag rests without an owner";
    case Wrong::refused_and_kept:
      return "a message is there that was answered with 451";
  }
  return "?";
}

}  // namespace postwain::cluster_model
