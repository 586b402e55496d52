#include "qmgr/store/postgres/pg_rows.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "qmgr/model/row_id.h"
#include "qmgr/store/postgres/pg_new_messages.h"
#include "qmgr/store/postgres/pg_values.h"

namespace postwain::qmgr {

StoreResult<Flags> PgRows::insert(std::span<const Insert> messages) {
  Flags stored(messages.size(), false);
  std::unordered_map<mail::QueueId, std::size_t> first;
  PgNewMessages arrays;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    mail::QueueId id = messages[i].message->info.id;
    if (!session_.bags().has(id)) return not_our_bag(id);
    if (first.emplace(id, i).second) arrays.add(messages[i]);
  }
  auto result = session_.run(Pg::insert_messages, std::move(arrays).parameters());
  if (!result) return result.error();
  if (StoreStatus s = set_flags(*result, first, stored); !s) return s.error();
  return stored;
}

// --- changes ----------------------------------------------------------------------------------

StoreResult<Flags> PgRows::remove_whole(std::span<const Whole> messages) {
  Flags removed(messages.size(), false);
  PgKeys keys(session_.bags());
  PgArray counts(PgArray::Element::int4);
  PgArray lowest(PgArray::Element::int4);
  PgArray highest(PgArray::Element::int4);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Whole& one = messages[i];
    if (!keys.add(one.id, i)) continue;
    counts.number(static_cast<std::int64_t>(one.recipients));
    lowest.number(one.first);
    highest.number(one.last);
  }
  PgParameters parameters;
  parameters.array(std::move(keys.bags)).array(std::move(keys.ids)).array(std::move(counts));
  parameters.array(std::move(lowest)).array(std::move(highest));
  auto result = session_.run(Pg::remove_whole_messages, std::move(parameters));
  if (!result) return result.error();
  if (StoreStatus s = set_flags(*result, keys, removed); !s) return s.error();
  for (std::size_t i = 0; i < messages.size(); ++i)
    if (removed[i]) session_.names().end_all(messages[i].id);
  return removed;
}

namespace {

// Changes of one kind to recipients that are all different: one statement.
class PgChangeSet {
 public:
  PgChangeSet(Pg statement, const PgBags& bags) : statement_(statement), keys_(bags) {
    using Element = PgArray::Element;
    if (statement == Pg::release_recipients) more_.emplace_back(Element::int8);
    if (statement == Pg::defer_recipients)
      for (Element element :
           {Element::bytea, Element::int4, Element::int8, Element::int2, Element::int2,
            Element::int8, Element::int2, Element::int2, Element::bytea, Element::bytea,
            Element::bytea, Element::int4, Element::int2})
        more_.emplace_back(element);
  }

  bool empty() const { return keys_.ids.size() == 0; }
  void add(const MessageRows::Change& one, std::size_t which) {
    if (!keys_.add(one.id, which)) return;
    indices_.number(one.change->index);
    if (statement_ == Pg::release_recipients)
      more_[0].number(to_unix_ms(one.change->next_attempt_at));
    if (statement_ == Pg::defer_recipients) add_deferral(*one.change);
  }
  PgCommand command() {
    PgParameters parameters;
    parameters.array(std::move(keys_.bags)).array(std::move(keys_.ids));
    parameters.array(std::move(indices_));
    for (PgArray& one : more_) parameters.array(std::move(one));
    return {statement_, std::move(parameters)};
  }
  StoreStatus note(const PgResult& result, Flags& found) const {
    return set_flags(result, keys_, found);
  }

 private:
  void add_deferral(const RecipientChange& change) {
    auto at = more_.begin();
    (at++)->bytes(change.destination);
    (at++)->number(change.attempts);
    (at++)->number(to_unix_ms(change.next_attempt_at));
    (at++)->flag(change.in_doubt);
    (at++)->flag(change.delay_warned);
    (at++)->number(to_unix_ms(change.last.at));
    (at++)->number(static_cast<int>(change.last.stage));
    (at++)->number(std::clamp(change.last.reply.code, 0, 999));
    (at++)->bytes(change.last.reply.enhanced.text());
    (at++)->bytes(change.last.reply.text);
    (at++)->bytes(change.last.remote_host);
    (at++)->number(change.crashes);
    (at++)->flag(change.kind == ChangeKind::quarantine);
  }

  Pg statement_;
  PgKeys keys_;
  PgArray indices_{PgArray::Element::int4};
  std::vector<PgArray> more_;
};

Pg statement_of(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::remove:
      return Pg::remove_recipients;
    case ChangeKind::hold:
      return Pg::hold_recipients;
    case ChangeKind::release:
      return Pg::release_recipients;
    case ChangeKind::defer:
    case ChangeKind::quarantine:
      break;
  }
  return Pg::defer_recipients;
}

struct RecipientKey {
  mail::QueueId id;
  std::uint32_t index = 0;
  bool operator==(const RecipientKey&) const = default;
};
struct RecipientKeyHash {
  std::size_t operator()(const RecipientKey& key) const {
    return std::hash<mail::QueueId>()(key.id) * 31 + key.index;
  }
};

// The sets in which the changes can be made. A recipient that is changed again has that change in a
// later set: what stands behind in the list happens behind it.
std::vector<PgChangeSet> sets_of(std::span<const MessageRows::Change> changes, const PgBags& bags) {
  constexpr Pg kKinds[] = {Pg::remove_recipients, Pg::hold_recipients, Pg::release_recipients,
                           Pg::defer_recipients};
  std::unordered_map<RecipientKey, std::size_t, RecipientKeyHash> round_of;
  std::vector<PgChangeSet> sets;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const MessageRows::Change& one = changes[i];
    std::size_t round = round_of[{one.id, one.change->index}]++;
    while (sets.size() < (round + 1) * std::size(kKinds))
      sets.emplace_back(kKinds[sets.size() % std::size(kKinds)], bags);
    auto kind = std::find(std::begin(kKinds), std::end(kKinds), statement_of(one.change->kind));
    auto number = static_cast<std::size_t>(kind - std::begin(kKinds));
    sets[round * std::size(kKinds) + number].add(one, i);
  }
  std::erase_if(sets, [](const PgChangeSet& set) { return set.empty(); });
  return sets;
}

}  // namespace

StoreResult<Flags> PgRows::change(std::span<const Change> changes) {
  Flags found(changes.size(), false);
  std::vector<PgChangeSet> sets = sets_of(changes, session_.bags());
  if (sets.empty()) return found;
  std::vector<PgCommand> commands;
  for (PgChangeSet& set : sets) commands.push_back(set.command());
  for (const Change& one : changes) session_.names().end({one.id, one.change->index});
  auto results = session_.run(std::move(commands));
  if (!results) return results.error();
  for (std::size_t i = 0; i < sets.size(); ++i)
    if (StoreStatus s = sets[i].note((*results)[i], found); !s) return s.error();
  return found;
}

StoreResult<std::vector<MessageRows::Removed>> PgRows::remove_empty(
    std::span<const mail::QueueId> ids) {
  std::vector<Removed> out(ids.size());
  PgKeys keys(session_.bags());
  for (std::size_t i = 0; i < ids.size(); ++i) (void)keys.add(ids[i], i);
  PgParameters parameters;
  parameters.array(std::move(keys.bags)).array(std::move(keys.ids));
  auto result = session_.run(Pg::remove_empty_messages, std::move(parameters));
  if (!result) return result.error();
  for (int i = 0; i < result->rows(); ++i) {
    PgReader row(*result, i);
    std::optional<std::size_t> which = keys.which(row.number());
    bool in_file = row.flag();
    if (!row.done() || !which) return strange_answer();
    out[*which] = {true, in_file};
  }
  return out;
}

// --- reading ----------------------------------------------------------------------------------

StoreResult<std::vector<std::optional<MessageInfo>>> PgRows::infos(
    std::span<const mail::QueueId> ids) {
  auto result = session_.run(Pg::select_messages, keys_for_reading(ids));
  if (!result) return result.error();
  std::unordered_map<mail::QueueId, MessageInfo> found;
  for (int i = 0; i < result->rows(); ++i) {
    PgReader row(*result, i);
    MessageInfo info = read_pg_message(row);
    if (!row.done()) return strange_answer();
    found[info.id] = std::move(info);
  }
  std::vector<std::optional<MessageInfo>> out;
  for (mail::QueueId id : ids) {
    auto at = found.find(id);
    out.push_back(at == found.end() ? std::nullopt : std::optional<MessageInfo>(at->second));
  }
  return out;
}

StoreResult<std::vector<StoredRecipient>> PgRows::recipients(mail::QueueId id, std::uint32_t from,
                                                             std::size_t limit) {
  PgParameters parameters;
  parameters.array(array_of({id.bag()}))
      .int8(number_of(id))
      .int8(from)
      .int8(static_cast<std::int64_t>(limit));
  auto result = session_.run(Pg::select_recipients, std::move(parameters));
  if (!result) return result.error();
  std::vector<StoredRecipient> out;
  for (int i = 0; i < result->rows(); ++i) {
    PgReader row(*result, i);
    out.push_back(read_pg_recipient(row).recipient);
    if (!row.done()) return strange_answer();
  }
  return out;
}

StoreResult<std::optional<std::string>> PgRows::content(mail::QueueId id, std::uint64_t offset,
                                                        std::size_t length) {
  constexpr std::uint64_t kBeyondAny = 1U << 30;  // no content is so long
  PgParameters parameters;
  parameters.array(array_of({id.bag()}))
      .int8(number_of(id))
      .int4(static_cast<std::int64_t>(std::min(offset, kBeyondAny)) + 1)
      .int4(static_cast<std::int64_t>(std::min<std::uint64_t>(length, kBeyondAny)));
  auto result = session_.run(Pg::select_content, std::move(parameters));
  if (!result) return result.error();
  if (result->rows() == 0) return std::optional<std::string>();
  PgReader row(*result, 0);
  std::string text = row.text();
  if (!row.done()) return strange_answer();
  return std::optional<std::string>(std::move(text));
}

StoreResult<std::vector<MessageInfo>> PgRows::page(mail::QueueId after, mail::QueueId last,
                                                   std::size_t limit) {
  PgParameters parameters;
  parameters.array(array_of(session_.bags().scanned()))
      .int8(number_of(after))
      .int8(number_of(last))
      .int8(static_cast<std::int64_t>(limit));
  auto result = session_.run(Pg::list_messages, std::move(parameters));
  if (!result) return result.error();
  std::vector<MessageInfo> out;
  for (int i = 0; i < result->rows(); ++i) {
    PgReader row(*result, i);
    out.push_back(read_pg_message(row));
    if (!row.done()) return strange_answer();
  }
  return out;
}

}  // namespace postwain::qmgr
