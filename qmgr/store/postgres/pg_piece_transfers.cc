#include "qmgr/store/postgres/pg_piece_transfers.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "qmgr/model/row_id.h"
#include "qmgr/store/postgres/pg_piece_keys.h"
#include "qmgr/store/postgres/session/pg_registration.h"

namespace postwain::qmgr {

namespace {

constexpr std::int64_t kPiecesCopied = 1000;  // in one statement

PgParameters key_of(mail::QueueId id) {
  PgParameters parameters;
  parameters.int2(id.bag()).int8(number_of(id));
  return parameters;
}

PgCommand drop_command(std::span<const mail::QueueId> ids) {
  PgPieceKeys keys;
  for (mail::QueueId id : ids) keys.add(id);
  return {Pg::drop_pieces, std::move(keys).parameters()};
}

}  // namespace

// --- sessions ---------------------------------------------------------------------------------

StoreResult<PgPieceTransfers::Connection> PgPieceTransfers::connect() {
  {
    std::lock_guard lock(mutex_);
    if (mono_now() < connect_from_) return StoreError{StoreError::Kind::away, unreachable_};
  }
  PgTarget target{options_.conninfo,
                  {},
                  sessions_of_node(node_) + "bodies/",
                  options_.connect_within,
                  options_.answer_within,
                  options_.places,
                  options_.ending};
  if (options_.secret) target.secret = options_.secret->get();
  auto opened = PgConnection::open(target);
  if (opened) return opened;
  std::lock_guard lock(mutex_);
  connect_from_ = mono_now() + options_.first_pause;
  unreachable_ = opened.error().text;
  return opened;
}

PgPieceTransfers::Connection PgPieceTransfers::take_idle() {
  std::lock_guard lock(mutex_);
  return std::move(idle_);
}

void PgPieceTransfers::give_back(Connection connection) {
  if (connection->is_lost()) return;
  std::lock_guard lock(mutex_);
  if (!idle_) idle_ = std::move(connection);
}

// A session for the call that begins with these commands. One that lay idle may have been lost
// unnoticed: then they go out on a new one.
StoreResult<PgPieceTransfers::Connection> PgPieceTransfers::begin(const Commands& commands,
                                                                  std::vector<PgResult>& results) {
  for (Connection connection = take_idle();;) {
    bool is_new = connection == nullptr;
    if (is_new) {
      auto made = connect();
      if (!made) return made.error();
      connection = made.take();
    }
    PgAnswers answers = connection->run(commands);
    if (answers.ok()) {
      results = std::move(answers.results);
      return connection;
    }
    if (!answers.lost || is_new) return error_of(answers);
    connection.reset();
  }
}

// Nobody asks what became of a commit whose answer was lost: what it wrote is nothing yet.
StoreError PgPieceTransfers::error_of(const PgAnswers& answers) {
  if (answers.failed == Pg::check_term && answers.sqlstate == "22012")
    return {StoreError::Kind::fenced, "this node's term has been ended"};
  StoreError error = *answers.error;
  if (error.kind == StoreError::Kind::unsure) error.kind = StoreError::Kind::away;
  return error;
}

PgPieceTransfers::Commands PgPieceTransfers::in_transaction(Commands commands) const {
  Commands all;
  all.push_back({Pg::begin, {}});
  all.push_back({Pg::sync_later, {}});
  all.push_back({Pg::check_term, PgParameters().int2(node_).int8(term_)});
  std::move(commands.begin(), commands.end(), std::back_inserter(all));
  all.push_back({Pg::commit, {}});
  return all;
}

PgPieceTransfers::Results PgPieceTransfers::write(PgConnection& connection,
                                                  Commands commands) const {
  PgAnswers answers = connection.run(in_transaction(std::move(commands)));
  if (!answers.ok()) {
    StoreError error = error_of(answers);
    if (!answers.lost) (void)connection.run(std::vector<PgCommand>{{Pg::roll_back, {}}});
    return error;
  }
  if (answers.results.back().tag() != "COMMIT")
    return StoreError{StoreError::Kind::away, "pieces of a body were not committed"};
  return std::move(answers.results);
}

// --- the calls --------------------------------------------------------------------------------

StoreResult<PgPieceTransfers::Connection> PgPieceTransfers::clear(mail::QueueId id) {
  Commands commands;
  commands.push_back(drop_command({&id, 1}));
  commands.push_back({Pg::are_pieces_referred, key_of(id)});
  std::vector<PgResult> results;
  auto connection = begin(in_transaction(std::move(commands)), results);
  if (!connection) return connection.error();
  PgReader row(results[results.size() - 2], 0);
  bool is_referred = row.flag();
  if (!row.done()) return strange_answer();
  if (!is_referred) return connection;
  give_back(connection.take());
  return Connection();
}

StoreResult<bool> PgPieceTransfers::put(mail::QueueId id, std::uint64_t size,
                                        const Source& source) {
  auto connection = clear(id);
  if (!connection) return connection.error();
  if (*connection == nullptr) return true;
  auto written = write_body(**connection, id, size, source);
  give_back(connection.take());
  return written;
}

StoreResult<bool> PgPieceTransfers::write_body(PgConnection& connection, mail::QueueId id,
                                               std::uint64_t size, const Source& source) const {
  constexpr std::uint64_t kAtOnce = kPieceOctets * kPiecesAtOnce;
  for (std::uint64_t at = 0; at < size;) {
    auto wanted = static_cast<std::size_t>(std::min(size - at, kAtOnce));
    std::optional<std::string> octets = source(wanted);
    if (!octets || octets->size() != wanted) return false;
    PgArray pieces(PgArray::Element::bytea);
    for (std::size_t from = 0; from < wanted; from += kPieceOctets)
      pieces.bytes(std::string_view(*octets).substr(from, kPieceOctets));
    PgParameters parameters = key_of(id);
    parameters.int8(static_cast<std::int64_t>(at / kPieceOctets)).array(std::move(pieces));
    Commands commands;
    commands.push_back({Pg::insert_pieces, std::move(parameters)});
    Results done = write(connection, std::move(commands));
    if (!done) return done.error();
    at += wanted;
  }
  return true;
}

StoreStatus PgPieceTransfers::copy(mail::QueueId from, mail::QueueId to) {
  auto connection = clear(to);
  if (!connection) return connection.error();
  if (*connection == nullptr)
    return StoreError{StoreError::Kind::refused, "the id " + to.text() + " is taken"};
  StoreStatus status;
  for (std::int64_t at = 0; status; at += kPiecesCopied) {
    PgParameters parameters = key_of(from);
    parameters.int2(to.bag()).int8(number_of(to)).int4(at).int4(at + kPiecesCopied);
    Commands commands;
    commands.push_back({Pg::copy_pieces, std::move(parameters)});
    Results done = write(**connection, std::move(commands));
    if (!done) status = done.error();
    if (!done || (*done)[done->size() - 2].changed().value_or(0) < kPiecesCopied) break;
  }
  give_back(connection.take());
  return status;
}

StoreResult<bool> PgPieceTransfers::get(mail::QueueId id, std::uint64_t size, const Sink& sink) {
  Connection connection;
  std::uint64_t given = 0;
  bool is_last = false;
  for (std::int64_t at = 0; !is_last;) {
    auto page = read(connection, id, at);
    if (!page) return page.error();
    is_last = page->rows() < static_cast<int>(kPiecesAtOnce);
    for (int i = 0; i < page->rows(); ++i, ++at) {
      PgReader row(*page, i);
      std::int64_t number = row.number();
      std::string_view octets = row.view();
      if (!row.done()) return strange_answer();
      given += octets.size();
      if (number != at || given > size || !sink(octets)) return false;
    }
  }
  if (connection) give_back(std::move(connection));
  return given == size;
}

// The pieces from that one on; on a session that is taken at the first call.
StoreResult<PgResult> PgPieceTransfers::read(Connection& connection, mail::QueueId id,
                                             std::int64_t from) {
  PgParameters parameters = key_of(id);
  parameters.int4(from).int8(static_cast<std::int64_t>(kPiecesAtOnce));
  Commands commands;
  commands.push_back({Pg::select_pieces, std::move(parameters)});
  std::vector<PgResult> results;
  if (connection) {
    PgAnswers answers = connection->run(commands);
    if (!answers.ok()) return error_of(answers);
    results = std::move(answers.results);
  } else {
    auto begun = begin(commands, results);
    if (!begun) return begun.error();
    connection = begun.take();
  }
  return std::move(results.front());
}

StoreStatus PgPieceTransfers::drop(std::span<const mail::QueueId> ids) {
  Commands commands;
  commands.push_back(drop_command(ids));
  std::vector<PgResult> results;
  auto connection = begin(in_transaction(std::move(commands)), results);
  if (!connection) return connection.error();
  give_back(connection.take());
  return {};
}

}  // namespace postwain::qmgr
