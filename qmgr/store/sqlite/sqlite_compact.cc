#include "qmgr/store/sqlite/sqlite_compact.h"

#include <sqlite3.h>

#include "qmgr/model/row_id.h"

namespace postwain::qmgr {

StoreResult<Flags> SqliteCompact::insert(std::span<const Insert> messages) {
  Flags stored;
  stored.reserve(messages.size());
  for (const Insert& one : messages) {
    Use use(sql_[Sql::insert_compact]);
    bool done = use.number(number_of(one.id)).number(one.recipients).blob(one.data).done();
    if (!done && !sql_.database().is_taken_key()) return sql_.error(Sql::insert_compact);
    stored.push_back(done && sql_.database().changes() > 0);
  }
  return stored;
}

StoreResult<Flags> SqliteCompact::remove_whole(std::span<const Whole> messages) {
  Flags removed;
  removed.reserve(messages.size());
  for (const Whole& one : messages) {
    Use use(sql_[Sql::remove_whole_compact]);
    if (!use.number(number_of(one.id)).number(one.recipients).done())
      return sql_.error(Sql::remove_whole_compact);
    removed.push_back(sql_.database().changes() > 0);
  }
  return removed;
}

StoreStatus SqliteCompact::remove(std::span<const mail::QueueId> ids) {
  for (mail::QueueId id : ids)
    for (Sql which : {Sql::remove_compact, Sql::remove_compact_rest}) {
      Use use(sql_[which]);
      if (!use.number(number_of(id)).done()) return sql_.error(which);
    }
  return {};
}

StoreStatus SqliteCompact::put_rests(std::span<const NewRest> rests) {
  for (const NewRest& one : rests) {
    Use use(sql_[Sql::put_compact_rest]);
    if (!use.number(number_of(one.id)).text(one.rest).done())
      return sql_.error(Sql::put_compact_rest);
  }
  return {};
}

StoreResult<std::vector<std::optional<CompactMessages::Rest>>> SqliteCompact::rests(
    std::span<const mail::QueueId> ids) {
  std::vector<std::optional<Rest>> out;
  out.reserve(ids.size());
  for (mail::QueueId id : ids) {
    std::optional<Rest>& one = out.emplace_back();
    Use use(sql_[Sql::select_compact_rest]);
    Use::Step step = use.number(number_of(id)).step();
    if (step == Use::Step::failed) return sql_.error(Sql::select_compact_rest);
    if (step == Use::Step::done) continue;
    one.emplace();
    one->recipients = static_cast<std::uint32_t>(use.number());
    one->rest = use.text();
  }
  return out;
}

StoreResult<std::vector<std::optional<CompactMessages::Value>>> SqliteCompact::values(
    std::span<const mail::QueueId> ids) {
  std::vector<std::optional<Value>> out;
  out.reserve(ids.size());
  for (mail::QueueId id : ids) {
    std::optional<Value>& one = out.emplace_back();
    Use use(sql_[Sql::select_compact]);
    Use::Step step = use.number(number_of(id)).step();
    if (step == Use::Step::failed) return sql_.error(Sql::select_compact);
    if (step == Use::Step::done) continue;
    one.emplace();
    one->id = id;
    one->data = use.text();
    one->rest = use.text();
  }
  return out;
}

StoreResult<CompactMessages::Page> SqliteCompact::page(mail::QueueId after, mail::QueueId last,
                                                       std::size_t limit) {
  Page page;
  std::size_t bytes = 0;
  Use use(sql_[Sql::list_compact]);
  use.number(number_of(after)).number(number_of(last)).number(static_cast<std::int64_t>(limit));
  while (bytes <= kCompactPageBytes) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return sql_.error(Sql::list_compact);
    if (step == Use::Step::done) {
      page.end = page.values.size() < limit;
      break;
    }
    Value& one = page.values.emplace_back();
    one.id = id_of(use.number());
    one.data = use.text();
    one.rest = use.text();
    bytes += one.data.size();
  }
  return page;
}

StoreResult<std::optional<mail::QueueId>> SqliteCompact::first(mail::QueueId after,
                                                               mail::QueueId last) {
  Use use(sql_[Sql::next_compact]);
  Use::Step step = use.number(number_of(after)).number(number_of(last)).step();
  if (step == Use::Step::failed) return sql_.error(Sql::next_compact);
  if (step == Use::Step::done) return std::optional<mail::QueueId>();
  return std::optional<mail::QueueId>(id_of(use.number()));
}

}  // namespace postwain::qmgr
