#include "qmgr/store/postgres/pg_scan.h"

#include "qmgr/model/row_id.h"
#include "qmgr/store/postgres/pg_values.h"

namespace postwain::qmgr {

StoreResult<bool> PgScan::recipients(const SurveyCursor& after, mail::QueueId last,
                                     std::size_t limit, const OnRecipient& on_row) {
  PgParameters parameters;
  parameters.array(array_of(session_.bags().scanned()))
      .int8(number_of(after.id))
      .int4(after.index)
      .int8(number_of(last))
      .int8(static_cast<std::int64_t>(limit));
  auto result = session_.run(Pg::scan_recipients, std::move(parameters));
  if (!result) return result.error();
  for (int i = 0; i < result->rows(); ++i) {
    PgReader reader(*result, i);
    RecipientRow row;
    row.id = id_of(reader.number());
    row.index = reader.number();
    row.address = reader.view();
    row.state = pg_enum(reader.number(), RecipientState::held);
    row.attempts = pg_count(reader.number());
    if (!reader.done()) return strange_answer();
    if (!on_row(row)) return false;
  }
  return static_cast<std::size_t>(result->rows()) < limit;
}

StoreResult<bool> PgScan::senders(mail::QueueId after, mail::QueueId last, std::size_t limit,
                                  const OnSender& on_row) {
  PgParameters parameters;
  parameters.array(array_of(session_.bags().scanned()))
      .int8(number_of(after))
      .int8(number_of(last))
      .int8(static_cast<std::int64_t>(limit));
  auto result = session_.run(Pg::scan_senders, std::move(parameters));
  if (!result) return result.error();
  for (int i = 0; i < result->rows(); ++i) {
    PgReader reader(*result, i);
    SenderRow row;
    row.id = id_of(reader.number());
    row.reverse_path = reader.view();
    if (!reader.done()) return strange_answer();
    if (!on_row(row)) return false;
  }
  return static_cast<std::size_t>(result->rows()) < limit;
}

// The server groups them; every row tells as well how many messages there were and the last of
// them.
StoreResult<mail::QueueId> PgScan::count(mail::QueueId after, mail::QueueId last, std::size_t limit,
                                         Counts& counts) {
  PgParameters parameters;
  parameters.array(array_of(session_.bags().scanned()))
      .int8(number_of(after))
      .int8(number_of(last))
      .int8(static_cast<std::int64_t>(limit));
  auto result = session_.run(Pg::count_recipients, std::move(parameters));
  if (!result) return result.error();
  std::int64_t messages = 0;
  std::int64_t last_read = 0;
  for (int i = 0; i < result->rows(); ++i) {
    PgReader row(*result, i);
    messages = row.number();
    last_read = row.number();
    std::string_view destination = row.view();
    auto traffic_class = pg_enum(row.number(), TrafficClass::bounce);
    auto state = pg_enum(row.number(), RecipientState::held);
    std::uint32_t attempts = pg_count(row.number());
    std::int64_t recipients = row.number();
    if (!row.done()) return strange_answer();
    for (std::int64_t n = 0; n < recipients; ++n)
      counts.add(destination, traffic_class, queue_state(state, attempts));
  }
  counts.messages += messages;
  return messages >= static_cast<std::int64_t>(limit) ? id_of(last_read) : last;
}

StoreResult<mail::QueueId> PgScan::ask_id(Pg statement) {
  auto result = session_.run(statement, PgParameters().array(array_of(session_.bags().scanned())));
  if (!result) return result.error();
  PgReader row(*result, 0);
  mail::QueueId id = id_of(row.number());
  if (!row.done()) return strange_answer();
  return id;
}

StoreResult<std::size_t> PgScan::in_doubt(std::size_t most) {
  PgParameters parameters;
  parameters.array(array_of(session_.bags().scanned())).int8(static_cast<std::int64_t>(most));
  auto result = session_.run(Pg::count_in_doubt, std::move(parameters));
  if (!result) return result.error();
  PgReader row(*result, 0);
  auto count = static_cast<std::size_t>(row.number());
  if (!row.done()) return strange_answer();
  return count;
}

}  // namespace postwain::qmgr
