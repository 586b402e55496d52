"""Mistakes that somebody could make in the program that lets several nodes share a queue, and the
tests that have to notice each of them. run_mistakes.py makes them, one by one.

The same mistakes in the protocol, without the program, are switches of tests/cluster_model.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """text stands in the file exactly once."""

    file: str
    text: str
    wrong: str


@dataclass(frozen=True)
class Unit:
    """A case of tests/unit, by the beginning of its name."""

    program: str
    case: str


@dataclass(frozen=True)
class Mistake:
    name: str
    edits: tuple
    red: tuple  # each of them


SESSION = "qmgr/store/postgres/session/"
STATEMENTS = SESSION + "pg_statements.cc"
MEMBERSHIP = "qmgr/cluster/membership.cc"
NODES = "qmgr/nodes/nodes.cc"


def store(*cases):
    return tuple(Unit("test_store", case) for case in cases)


def one(name, file, text, wrong, *red):
    return Mistake(name, (Edit(file, text, wrong),), red)


MISTAKES = (
    # What a commit is worth.
    one("the session does not sync what it commits", SESSION + "pg_connection.cc",
        '"-c synchronous_commit=on ', '"-c synchronous_commit=off ',
        *store("a session syncs what it commits")),
    one("250 before the tag of COMMIT", SESSION + "pg_session.cc",
        "  PgAnswers answers = ask(all, {});\n  return end_of_commit(answers);\n",
        "  (void)ask(all, {});\n  names_.committed(++committed_);\n"
        "  transaction_ = Transaction::none;\n  return {};\n",
        *store("nothing is lost or doubled", "a transaction that is under way when the token")),
    one("the tag ROLLBACK is taken for COMMIT", SESSION + "pg_registration.cc",
        '!answers.results.empty() &&\n         answers.results.back().tag() == "COMMIT";',
        "!answers.results.empty();",
        *store("COMMIT of a transaction that had failed")),
    one("a warning with COMMIT is ignored", SESSION + "pg_registration.cc",
        "answers.ok() && !answers.warned && ", "answers.ok() && ",
        *store("a commit with a warning is believed only", "only a warning of the commit itself")),
    one("a warning with the keeper's COMMIT is ignored",
        "qmgr/store/postgres/keeper/pg_keeper_session.cc",
        "if (answers.ok() && answers.warned)", "if (answers.ok() && answers.warned && answers.lost)",
        *store("the keeper writes under its fence")),
    one("own token not raised before a batch is repeated", STATEMENTS,
        '"UPDATE lane SET token = token + 1 WHERE node = $1::int2 AND lane = $2::int2 "\n',
        '"UPDATE lane SET token = token WHERE node = $1::int2 AND lane = $2::int2 "\n',
        *store("nothing is lost or doubled", "a lost session is renewed",
               "a commit with a warning is believed only")),
    one("a batch in doubt is sent again unseen", SESSION + "pg_session.cc",
        "bool is_there = found_ > committed_;", "bool is_there = found_ > committed_ + 1;",
        *store("nothing is lost or doubled")),
    one("batches that the database has lost are not missed", SESSION + "pg_session.cc",
        "if (found_ >= committed_) return {};", "if (found_ >= 0) return {};",
        *store("a batch that the database has lost is noticed")),

    # Fences.
    one("no fence", SESSION + "pg_session.cc",
        "  all.push_back({Pg::fence, PgParameters().int2(node()).int2(kLane).int8(token_)});\n", "",
        *store("a transaction that is under way when the token")),
    one("no fence of the keeper", "qmgr/store/postgres/keeper/pg_keeper_session.cc",
        "  all.push_back({Pg::fence, PgParameters().int2(node()).int2(kKeeperLane)"
        ".int8(token_)});\n", "",
        *store("the keeper writes under its fence")),
    one("the fence does not lock", STATEMENTS,
        '"token = $3::int8 FOR UPDATE) SELECT 1 / count(*) FROM mine"',
        '"token = $3::int8) SELECT 1 / count(*) FROM mine"',
        *store("who has passed the fence keeps its lane")),
    one("tokens of the dead node are not raised", STATEMENTS,
        '"raised AS (UPDATE lane SET token = token + 1 FROM victim "',
        '"raised AS (UPDATE lane SET token = token FROM victim "',
        *store("half a transaction of a dead node")),
    one("sessions of the dead node are left alone", "qmgr/store/postgres/pg_cluster.cc",
        "  auto ended = session_.run(Pg::end_other_sessions, "
        "PgParameters().bytes(sessions_of_node(node)));\n"
        "  if (!ended) return ended.error();\n", "",
        *store("half a transaction of a dead node")),
    one("a term is ended though the node has beaten since", STATEMENTS,
        "(beat = $3::int8 OR $3::int8 < 0) AND state <> 0 RETURNING id",
        "(beat = $3::int8 OR $3::int8 < 1000) AND state <> 0 RETURNING id",
        *store("a dead node's bags come with the names")),
    Mistake("a node that lives on another machine is taken over",
            (Edit(SESSION + "pg_registration.cc",
                  "if (lives && !same_machine && !options_.take_over)",
                  "if (lives && !same_machine && others_ < 0)"),
             Edit(SESSION + "pg_registration.cc", ".int2(options_.take_over ? 1 : 0)",
                  ".int2(1)")),
            store("a node that lives on another machine")),

    # Bags, and what may have been delivered of them.
    one("bags are adopted before the fence commits: the statement", STATEMENTS,
        '"WITH dead AS (SELECT 1 FROM node WHERE id = $1::int2 AND term = $2::int8 AND "\n'
        '             "state = 0 FOR UPDATE), taken',
        '"WITH dead AS (SELECT 1 FROM node WHERE id = $1::int2 AND term = $2::int8 "\n'
        '             "FOR UPDATE), taken',
        *store("a dead node's bags come with the names")),
    one("bags are adopted before the fence commits: the decision", MEMBERSHIP,
        "(owner != nullptr && owner->state != NodeState::gone)",
        "(owner != nullptr && owner->state != NodeState::gone && !silent(*owner, Duration(0)))",
        Unit("test_cluster", "M1: ")),
    one("old rows are believed", MEMBERSHIP,
        "    if (memory_.moved.has(row.id)) continue;\n", "", Unit("test_cluster", "M7: ")),
    one("a node works on with bags that are another's", NODES,
        "if ((owned_ & ~own & ~moving_ & ~gives_.all()) != 0)",
        "if ((owned_ & ~own & ~moving_ & ~gives_.all() & 0) != 0)",
        Unit("test_queue", "a node that finds its bags with another one")),
    one("what is to be given before it has come is never given", NODES,
        "      membership_.give_ended(one.bag);\n    else", "      (void)one;\n    else",
        Unit("test_queue", "a bag that comes to a node which drains")),
    one("a bag that comes back stays hidden", SESSION + "pg_bags.h",
        "    hidden_ &= bags;\n", "",
        *store("a bag that was hidden")),
    one("what another node resumes at once stays suspended", NODES,
        "if ((changed || written) && hooks_", "if ((changed || (written && false)) && hooks_",
        Unit("test_queue", "what a node has suspended itself")),
    one("a bag is given away while attempts in it run", "qmgr/nodes/gives.cc",
        "if (one.stage != Stage::closed || (used & bit_of(one.give.bag)) != 0) continue;",
        "if (one.stage != Stage::closed || (used & 0) != 0) continue;",
        Unit("test_qmgr", "a bag that is given away is announced")),
    one("names are not read: of a dead node", "qmgr/store/postgres/pg_cluster.cc",
        "    adopted.names = names.take();\n", "",
        *store("a dead node's bags come with the names", "who adopts and dies leaves")),
    one("names are not read: of an own former life", SESSION + "pg_registration.cc",
        "    term_.names = names.take();\n", "",
        *store("a node that begins again finds what")),
    one("names are not read: of lives before the last one", STATEMENTS,
        '"NOT (node = $2::int2 AND term = $3::int8) AND octet_length(named) > 0"',
        '"NOT (node = $2::int2 AND term <> $3::int8 - 1) AND octet_length(named) > 0"',
        *store("a node that was fenced and gets its bags back")),
    one("names of a dead node are not copied", "qmgr/store/postgres/pg_cluster.cc",
        "  for (const AttemptName& name : adopted.names) session_.names().add(name);\n", "",
        *store("a dead node's bags come with the names", "who adopts and dies leaves")),
    one("names that came with a bag are no marks of doubt", "qmgr/queue/start.cc",
        "    left->push_back({name.id, name.index, false});\n", "",
        Unit("test_queue", "a bag that comes is read")),
    one("a name ends before its recipient is settled", "qmgr/store/postgres/pg_cluster.cc",
        "  adopted.done = *done;\n",
        "  adopted.done = *done;\n  session_.names().end_bags(bags);\n",
        *store("a dead node's bags come with the names")),
    one("a lease leaves before its name", "qmgr/dispatch/delivery_naming.cc",
        "  queue_.store().write(AttemptFact(std::exchange(to_name_, {})),\n"
        "                       [this, leases = std::exchange(to_send_, {})] {\n"
        "                         for (const auto& [peer, lease] : leases) "
        "send_named(peer, lease);\n"
        "                       });\n",
        "  const auto leases = std::exchange(to_send_, {});\n"
        "  queue_.store().write(AttemptFact(std::exchange(to_name_, {})), nullptr);\n"
        "  for (const auto& [peer, lease] : leases) send_named(peer, lease);\n",
        Unit("test_qmgr", "D3: ")),

    # The gate.
    one("the gate is open", "common/smtp/client/word_gate.cc",
        "return good ? Gate::open : Gate::shut;", "return good ? Gate::open : Gate::open;",
        Unit("test_smtp", "G1: "), Unit("test_agent", "W2: ")),
    one("the channel does not ask the gate", "common/agent/connection.cc",
        ".may_leave = [this] { return services_.gate.is_open(); },",
        ".may_leave = [this] { return services_.gate.is_open() || true; },",
        Unit("test_agent", "W2: ")),
    one("agents are not told that the term has ended", NODES,
        "  hooks_.say_word({0, 0, true});\n", "",
        Unit("test_queue", "a beat without an answer says nothing")),
    one("a word counts from its answer", NODES,
        "  hooks_.say_word({sent_.time_since_epoch().count(),\n", "  hooks_.say_word({boot_ms(),\n",
        Unit("test_queue", "a word is as old as the beat")),
    one("a beat that was lost is a word", NODES,
        "  if (answer.end != cluster::BeatEnd::ok) return look_at_standing();\n", "",
        Unit("test_queue", "a beat without an answer says nothing")),

    one("claims of a dead node are not dropped", "qmgr/store/postgres/pg_cluster.cc",
        "  commands.push_back({Pg::drop_node_claims, PgParameters().int2(node)});\n", "",
        *store("claims: go with the term")),
    one("claims of one whom a former version has ended are not dropped",
        "qmgr/store/postgres/keeper/pg_claims.cc",
        "  commands.push_back({Pg::drop_dead_claims, {}});\n"
        "  PgKeeperSession::Results dropped = session_.write(std::move(commands));\n"
        "  if (!dropped) return dropped.error();\n  commands.clear();\n", "",
        *store("claims: go with the term")),

    # Rates over all nodes.
    one("a slice is taken twice", SESSION + "pg_claim_patterns.cc",
        "SELECT m.key, greatest(m.stood + m.span, ", "SELECT m.key, greatest(m.stood + m.span * 0, ",
        *store("paces: two nodes move one sequence on")),
    one("each node counts by itself", "qmgr/nodes/shared_paces.cc",
        "  const Others now = some ? Others::some : Others::none;\n",
        "  const Others now = some && false ? Others::some : Others::none;\n",
        Unit("test_queue", "shared paces: two nodes have one sequence")),
    one("steps that nobody has used are kept", "qmgr/cluster/pace_shares.cc",
        "    key.used = std::max(key.used, slice.steps_before(least));\n", "    (void)least;\n",
        Unit("test_cluster", "P8: pace: nodes that die, lost answers")),
    one("rows of paces are locked in any order", SESSION + "pg_claim_patterns.cc",
        '"ORDER BY d.key ON CONFLICT (key) DO UPDATE SET next = p.next"',
        '"ON CONFLICT (key) DO UPDATE SET next = p.next"',
        *store("paces: rows are locked in the order")),

    # Who counts as dead.
    one("silence is counted while one's own beats fail", MEMBERSHIP,
        "  if (report.end != BeatEnd::ok) memory_.counting = false;\n", "",
        Unit("test_cluster", "M3: ")),
    one("silence is counted while one's own beats are slow", MEMBERSHIP,
        "bool prompt = report.answered - memory_.sent <= timing_.prompt;",
        "bool prompt = report.answered - memory_.sent <= 60 * timing_.prompt;",
        Unit("test_cluster", "M3: ")),
    one("silence is counted over a pause of the node itself", MEMBERSHIP,
        "  if (memory_.step > timing_.prompt) memory_.counting = false;\n", "",
        Unit("test_cluster", "M3: ")),
    one("a term that has ended is not noticed", MEMBERSHIP,
        "if (own == nullptr || own->term != self_.term || own->state == NodeState::gone) {",
        "if (own == nullptr) {", Unit("test_queue", "a beat without an answer says nothing")),
    one("life is judged by wall clocks", "common/base/time.cc",
        "::clock_gettime(CLOCK_BOOTTIME, &now);", "::clock_gettime(CLOCK_REALTIME, &now);",
        Unit("test_base", "boot time is the clock")),
)
