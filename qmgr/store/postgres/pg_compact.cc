#include "qmgr/store/postgres/pg_compact.h"

#include <unordered_map>
#include <utility>

#include "qmgr/model/row_id.h"
#include "qmgr/store/postgres/pg_values.h"

namespace postwain::qmgr {

StoreResult<Flags> PgCompact::insert(std::span<const Insert> messages) {
  Flags stored(messages.size(), false);
  std::unordered_map<mail::QueueId, std::size_t> first;
  PgKeys keys(session_.bags());
  PgArray recipients(PgArray::Element::int2);
  PgArray values(PgArray::Element::bytea);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Insert& one = messages[i];
    if (!first.emplace(one.id, i).second) continue;
    if (!keys.add(one.id, i)) return not_our_bag(one.id);
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
  PgKeys keys(session_.bags());
  PgArray recipients(PgArray::Element::int2);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!first.emplace(messages[i].id, i).second) continue;
    if (!keys.add(messages[i].id, i)) continue;
    recipients.number(messages[i].recipients);
  }
  PgParameters parameters;
  parameters.array(std::move(keys.bags)).array(std::move(keys.ids)).array(std::move(recipients));
  auto result = session_.run(Pg::remove_whole_compact, std::move(parameters));
  if (!result) return result.error();
  if (StoreStatus s = set_flags(*result, first, removed); !s) return s.error();
  for (std::size_t i = 0; i < messages.size(); ++i)
    if (removed[i]) session_.names().end_all(messages[i].id);
  return removed;
}

StoreStatus PgCompact::remove(std::span<const mail::QueueId> ids) {
  PgParameters keys = keys_of(session_.bags(), ids);
  session_.defer(Pg::remove_compact, keys);
  session_.defer(Pg::remove_compact_rests, std::move(keys));
  return {};
}

// The last one counts where a message is named twice.
StoreStatus PgCompact::put_rests(std::span<const NewRest> rests) {
  std::unordered_map<mail::QueueId, const NewRest*> last;
  for (const NewRest& one : rests) last[one.id] = &one;
  PgKeys keys(session_.bags());
  PgArray values(PgArray::Element::bytea);
  for (const auto& [id, one] : last) {
    if (!keys.add(id, 0)) continue;
    values.bytes(one->rest);
    for (std::size_t i = 0; i < one->rest.size(); ++i)
      if (one->rest[i] == '0') session_.names().end({id, static_cast<std::uint32_t>(i)});
  }
  PgParameters parameters;
  parameters.array(std::move(keys.bags)).array(std::move(keys.ids)).array(std::move(values));
  session_.defer(Pg::put_compact_rests, std::move(parameters));
  return {};
}

StoreResult<std::vector<std::optional<CompactMessages::Rest>>> PgCompact::rests(
    std::span<const mail::QueueId> ids) {
  auto result = session_.run(Pg::select_compact_rests, keys_for_reading(ids));
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
  auto result = session_.run(Pg::select_compact, keys_for_reading(ids));
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
  parameters.array(array_of(session_.bags().scanned()))
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
  parameters.array(array_of(session_.bags().scanned()))
      .int8(number_of(after))
      .int8(number_of(last));
  auto result = session_.run(Pg::next_compact, std::move(parameters));
  if (!result) return result.error();
  PgReader row(*result, 0);
  std::int64_t id = row.number();
  if (!row.done()) return strange_answer();
  return id == 0 ? std::optional<mail::QueueId>() : std::optional<mail::QueueId>(id_of(id));
}

}  // namespace postwain::qmgr
