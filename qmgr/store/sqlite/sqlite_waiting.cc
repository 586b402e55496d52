#include "qmgr/store/sqlite/sqlite_waiting.h"

#include <algorithm>

#include "common/base/sane_time.h"

#include "qmgr/model/row_id.h"
#include "qmgr/store/sqlite/row_values.h"

namespace postwain::qmgr {

StoreResult<DuePage> SqliteWaiting::due(const std::string& destination, WallTime now,
                                        std::uint32_t limit, const StoreCursor& after) {
  DuePage page;
  {
    Use use(sql_[Sql::due_recipients]);
    use.text(destination)
        .number(to_unix_ms(now))
        .number(limit)
        .number(to_unix_ms(after.due))
        .number(number_of(after.id))
        .number(after.index);
    for (;;) {
      Use::Step step = use.step();
      if (step == Use::Step::failed) return sql_.error(Sql::due_recipients);
      if (step == Use::Step::done) break;
      mail::QueueId id = id_of(use.number());
      page.rows.push_back({id, read_recipient(use)});
    }
  }
  if (page.rows.size() >= limit && limit > 0) {
    page.next_due = page.rows.back().recipient.next_attempt_at;
  } else {
    Use use(sql_[Sql::next_due]);
    Use::Step step = use.text(destination).number(to_unix_ms(now)).step();
    if (step == Use::Step::failed) return sql_.error(Sql::next_due);
    if (step == Use::Step::row) page.next_due = sane_time(use.number());
  }
  if (StoreStatus s = add_messages(page); !s) return s.error();
  return page;
}

StoreStatus SqliteWaiting::add_messages(DuePage& page) {
  std::vector<mail::QueueId> ids;
  for (const DuePage::Row& row : page.rows) ids.push_back(row.message);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  auto infos = rows_.infos(ids);
  if (!infos) return infos.error();
  for (std::optional<MessageInfo>& info : *infos)
    if (info) page.messages.push_back(std::move(*info));
  return {};
}

// One seek for each destination, however many rows it has.
StoreResult<std::vector<DueDestination>> SqliteWaiting::destinations(const std::string& after,
                                                                     std::size_t limit) {
  std::vector<DueDestination> found;
  std::string cursor = after;
  while (found.size() < limit) {
    Use use(sql_[Sql::next_destination]);
    Use::Step step = use.text(cursor).step();
    if (step == Use::Step::failed) return sql_.error(Sql::next_destination);
    if (step == Use::Step::done) break;
    DueDestination one;
    one.destination = use.text();
    one.due_at = sane_time(use.number());
    cursor = one.destination;
    found.push_back(std::move(one));
  }
  return found;
}

StoreStatus SqliteWaiting::write(std::span<const WaitingFact> facts) {
  for (const WaitingFact& fact : facts) {
    StoreStatus done = std::visit([this](const auto& one) { return write_one(one); }, fact);
    if (!done) return done;
  }
  return {};
}

StoreStatus SqliteWaiting::write_one(const BringForward& fact) {
  Use use(sql_[Sql::bring_forward]);
  use.text(fact.destination)
      .number(to_unix_ms(fact.now))
      .number(static_cast<std::int64_t>(mail::Stage::hello))
      .number(static_cast<std::int64_t>(fact.limit));
  if (!use.done()) return sql_.error(Sql::bring_forward);
  return {};
}

StoreStatus SqliteWaiting::write_one(const MoveRecipients& fact) {
  for (const MovedRecipient& one : fact.recipients) {
    Use use(sql_[Sql::move_recipient]);
    use.number(number_of(one.id)).number(one.index).text(one.destination);
    if (!use.done()) return sql_.error(Sql::move_recipient);
  }
  return {};
}

StoreResult<std::int64_t> SqliteWaiting::set_back(const std::string& destination, WallTime now,
                                                  Duration by, WallTime latest) {
  Use use(sql_[Sql::set_back]);
  use.text(destination).number(to_unix_ms(now)).number(by.count()).number(to_unix_ms(latest));
  if (!use.done()) return sql_.error(Sql::set_back);
  return std::int64_t{sql_.database().changes()};
}

}  // namespace postwain::qmgr
