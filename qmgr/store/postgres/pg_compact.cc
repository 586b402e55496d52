#include "qmgr/store/postgres/pg_compact.h"

#include <unordered_map>
#include <utility>

#include "qmgr/model/row_id.h"
#include "qmgr/store/postgres/pg_values.h"
#include "qmgr/store/postgres/taken_ids.h"

namespace postwain::qmgr {

namespace {

template <class List>
std::vector<mail::QueueId> ids_of(const List& list) {
  std::vector<mail::QueueId> ids;
  ids.reserve(list.size());
  for (const auto& one : list) ids.push_back(one.id);
  return ids;
}

}  // namespace

StoreResult<Flags> PgCompact::insert(std::span<const Insert> messages) {
  auto taken = taken_ids(session_, ids_of(messages));
  if (!taken) return taken.error();
  Flags stored(messages.size(), false);
  std::unordered_map<mail::QueueId, std::size_t> first;
  PgKeys keys(session_.places());
  PgArray recipients(PgArray::Element::int2);
  PgArray values(PgArray::Element::bytea);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Insert& one = messages[i];
    if (taken->count(one.id) > 0 || !first.emplace(one.id, i).second) continue;
    keys.add_new(one.id);
    recipients.number(one.recipients);
    values.bytes(one.data);
  }
  PgParameters parameters;
  parameters.array(std::move(keys.bags)).array(std::move(keys.ids));
  parameters.array(std::move(recipients)).array(std::move(values));
  auto result = session_.run(Pg::insert_compact, std::move(parameters));
  if (!result) return result.error();
  if (StoreStatus s = set_flags(*result, first, stored); !s) return s.error();
  return stored;
}

StoreResult<Flags> PgCompact::remove_whole(std::span<const Whole> messages) {
  Flags removed(messages.size(), false);
  std::unordered_map<mail::QueueId, std::size_t> first;
  PgKeys keys(session_.places());
  PgArray recipients(PgArray::Element::int2);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!first.emplace(messages[i].id, i).second) continue;
    std::size_t entries = keys.add(messages[i].id, i);
    for (std::size_t j = 0; j < entries; ++j) recipients.number(messages[i].recipients);
  }
  PgParameters parameters;
  parameters.array(std::move(keys.bags)).array(std::move(keys.ids)).array(std::move(recipients));
  auto result = session_.run(Pg::remove_whole_compact, std::move(parameters));
  if (!result) return result.error();
  if (StoreStatus s = set_flags(*result, first, removed); !s) return s.error();
  return removed;
}

StoreStatus PgCompact::remove(std::span<const mail::QueueId> ids) {
  PgParameters keys = keys_of(session_.places(), ids);
  session_.defer(Pg::remove_compact, keys);
  session_.defer(Pg::remove_compact_rests, std::move(keys));
  return {};
}

// The last one counts where a message is named twice.
StoreStatus PgCompact::put_rests(std::span<const NewRest> rests) {
  std::unordered_map<mail::QueueId, const NewRest*> last;
  for (const NewRest& one : rests) last[one.id] = &one;
  PgKeys keys(session_.places());
  PgArray values(PgArray::Element::bytea);
  for (const auto& [id, one] : last) {
    std::size_t entries = keys.add(id, 0);
    for (std::size_t i = 0; i < entries; ++i) values.bytes(one->rest);
  }
  PgParameters parameters;
  parameters.array(std::move(keys.bags)).array(std::move(keys.ids)).array(std::move(values));
  session_.defer(Pg::put_compact_rests, std::move(parameters));
  return {};
}

StoreResult<std::vector<std::optional<CompactMessages::Rest>>> PgCompact::rests(
    std::span<const mail::QueueId> ids) {
  auto result = session_.run(Pg::select_compact_rests, keys_of(session_.places(), ids));
  if (!result) return result.error();
  std::unordered_map<mail::QueueId, Rest> found;
  for (int i = 0; i < result->rows(); ++i) {
    PgReader row(*result, i);
    mail::QueueId id = id_of(row.number());
    found[id] = {pg_count(row.number()), row.text()};
    if (!row.done()) return strange_answer();
  }
  std::vector<std::optional<Rest>> out;
  for (mail::QueueId id : ids) {
    auto at = found.find(id);
    out.push_back(at == found.end() ? std::nullopt : std::optional<Rest>(at->second));
  }
  return out;
}

StoreResult<std::vector<std::optional<CompactMessages::Value>>> PgCompact::values(
    std::span<const mail::QueueId> ids) {
  auto result = session_.run(Pg::select_compact, keys_of(session_.places(), ids));
  if (!result) return result.error();
  std::unordered_map<mail::QueueId, int> rows;
  for (int i = 0; i < result->rows(); ++i) rows[id_of(PgReader(*result, i).number())] = i;
  std::vector<std::optional<Value>> out;
  for (mail::QueueId id : ids) {
    out.emplace_back();
    auto at = rows.find(id);
    if (at == rows.end()) continue;
    PgReader row(*result, at->second);
    out.back() = Value{id_of(row.number()), row.text(), row.text()};
    if (!row.done()) return strange_answer();
  }
  return out;
}

StoreResult<CompactMessages::Page> PgCompact::page(mail::QueueId after, mail::QueueId last,
                                                   std::size_t limit) {
  PgParameters parameters;
  parameters.array(array_of(session_.places().all()))
      .int8(number_of(after))
      .int8(number_of(last))
      .int8(static_cast<std::int64_t>(limit))
      .int8(static_cast<std::int64_t>(kCompactPageBytes));
  auto result = session_.run(Pg::list_compact, std::move(parameters));
  if (!result) return result.error();
  Page page;
  std::int64_t found = 0;
  for (int i = 0; i < result->rows(); ++i) {
    PgReader row(*result, i);
    page.values.push_back({id_of(row.number()), row.text(), row.text()});
    found = row.number();
    if (!row.done()) return strange_answer();
  }
  bool is_all = static_cast<std::int64_t>(page.values.size()) == found;
  page.end = is_all && page.values.size() < limit;
  return page;
}

StoreResult<std::optional<mail::QueueId>> PgCompact::first(mail::QueueId after,
                                                           mail::QueueId last) {
  PgParameters parameters;
  parameters.array(array_of(session_.places().all())).int8(number_of(after)).int8(number_of(last));
  auto result = session_.run(Pg::next_compact, std::move(parameters));
  if (!result) return result.error();
  PgReader row(*result, 0);
  std::int64_t id = row.number();
  if (!row.done()) return strange_answer();
  return id == 0 ? std::optional<mail::QueueId>() : std::optional<mail::QueueId>(id_of(id));
}

}  // namespace postwain::qmgr
