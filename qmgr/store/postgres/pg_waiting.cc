#include "qmgr/store/postgres/pg_waiting.h"

#include <map>
#include <set>
#include <utility>

#include "common/base/sane_time.h"

#include "qmgr/model/row_id.h"
#include "qmgr/store/postgres/pg_values.h"

namespace postwain::qmgr {

namespace {

// Every due row is changed in one statement, and nobody waits for us then.
constexpr Duration kSetBackWithin = std::chrono::minutes(10);

// Rows with their messages beside them; a message with several comes several times.
StoreStatus read_due_rows(const PgResult& result, DuePage& page) {
  std::set<mail::QueueId> known;
  for (int i = 0; i < result.rows(); ++i) {
    PgReader row(result, i);
    PgRecipientRow one = read_pg_recipient(row);
    MessageInfo info = read_pg_message(row);
    if (!row.done() || info.id != one.message) return strange_answer();
    page.rows.push_back({one.message, std::move(one.recipient)});
    if (known.insert(info.id).second) page.messages.push_back(std::move(info));
  }
  return {};
}

}  // namespace

StoreResult<DuePage> PgWaiting::due(const std::string& destination, WallTime now,
                                    std::uint32_t limit, const StoreCursor& after) {
  std::vector<PgCommand> commands(2);
  commands[0].statement = Pg::due_recipients;
  commands[0]
      .parameters.array(array_of(session_.bags().scanned()))
      .bytes(destination)
      .int8(to_unix_ms(now))
      .int8(limit)
      .int8(to_unix_ms(after.due))
      .int8(number_of(after.id))
      .int4(after.index);
  commands[1].statement = Pg::next_due;
  commands[1]
      .parameters.array(array_of(session_.bags().scanned()))
      .bytes(destination)
      .int8(to_unix_ms(now));
  auto results = session_.run(std::move(commands));
  if (!results) return results.error();
  DuePage page;
  if (StoreStatus s = read_due_rows((*results)[0], page); !s) return s.error();
  const PgResult& next = (*results)[1];
  if (page.rows.size() >= limit && limit > 0) {
    page.next_due = page.rows.back().recipient.next_attempt_at;
  } else if (next.rows() > 0) {
    PgReader row(next, 0);
    page.next_due = sane_time(row.number());
    if (!row.done()) return strange_answer();
  }
  return page;
}

StoreResult<std::vector<DueDestination>> PgWaiting::destinations(const std::string& after,
                                                                 std::size_t limit) {
  PgParameters parameters;
  parameters.array(array_of(session_.bags().scanned()))
      .bytes(after)
      .int8(static_cast<std::int64_t>(limit));
  auto result = session_.run(Pg::list_destinations, std::move(parameters));
  if (!result) return result.error();
  std::vector<DueDestination> found;
  for (int i = 0; i < result->rows(); ++i) {
    PgReader row(*result, i);
    found.push_back({row.text(), sane_time(row.number())});
    if (!row.done()) return strange_answer();
  }
  return found;
}

StoreStatus PgWaiting::write(std::span<const WaitingFact> facts) {
  for (const WaitingFact& fact : facts)
    std::visit([this](const auto& one) { write_one(one); }, fact);
  return {};
}

void PgWaiting::write_one(const BringForward& fact) {
  PgParameters parameters;
  parameters.array(array_of(session_.bags().scanned()))
      .bytes(fact.destination)
      .int8(to_unix_ms(fact.now))
      .int2(static_cast<std::int64_t>(mail::Stage::hello))
      .int8(static_cast<std::int64_t>(fact.limit));
  session_.defer(Pg::bring_forward, std::move(parameters));
}

// The last one counts where a recipient is named twice.
void PgWaiting::write_one(const MoveRecipients& fact) {
  std::map<std::pair<mail::QueueId, std::uint32_t>, const MovedRecipient*> last;
  for (const MovedRecipient& one : fact.recipients) last[{one.id, one.index}] = &one;
  PgKeys keys(session_.bags());
  PgArray indices(PgArray::Element::int4);
  PgArray destinations(PgArray::Element::bytea);
  for (const auto& [key, one] : last) {
    if (!keys.add(one->id, 0)) continue;
    indices.number(one->index);
    destinations.bytes(one->destination);
  }
  PgParameters parameters;
  parameters.array(std::move(keys.bags)).array(std::move(keys.ids));
  parameters.array(std::move(indices)).array(std::move(destinations));
  session_.defer(Pg::move_recipients, std::move(parameters));
}

StoreResult<std::int64_t> PgWaiting::set_back(const std::string& destination, WallTime now,
                                              Duration by, WallTime latest) {
  PgParameters parameters;
  parameters.array(array_of(session_.bags().scanned()))
      .bytes(destination)
      .int8(to_unix_ms(now))
      .int8(by.count())
      .int8(to_unix_ms(latest));
  auto result = session_.run(Pg::set_back, std::move(parameters), kSetBackWithin);
  if (!result) return result.error();
  std::optional<std::int64_t> changed = result->changed();
  if (!changed) return strange_answer();
  return *changed;
}

}  // namespace postwain::qmgr
