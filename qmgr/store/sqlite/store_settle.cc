// Writing what became of recipients, and the notices that tell of it.
#include <algorithm>

#include "qmgr/disk/failpoint.h"
#include "qmgr/model/row_id.h"
#include "qmgr/store/sqlite/store.h"

namespace postwain::qmgr {

namespace {

// Removes them all, and nothing else.
bool only_removes(const Settlement& settlement) {
  return settlement.notices.empty() &&
         std::all_of(settlement.changes.begin(), settlement.changes.end(),
                     [](const RecipientChange& c) { return c.kind == ChangeKind::remove; });
}

}  // namespace

// The usual end of a message, in one statement: with the message go its content and its recipients.
// Nothing when it has others than those, or not all of those.
Result<std::optional<Settled>> Store::settle_whole(const Settlement& settlement) {
  Settled settled;
  settled.id = settlement.id;
  for (const RecipientChange& one : settlement.changes) settled.changed.push_back(one.index);
  auto [first, last] = std::minmax_element(settled.changed.begin(), settled.changed.end());
  // So many different numbers between these two are all of them.
  if (*last - *first + 1 != settled.changed.size()) return std::optional<Settled>();
  if (Status s = failpoint(Failpoint::outcome_write); !s) return s.error();
  settled.message_removed = true;
  settled.content_file_removed = settlement.in_file;
  if (settlement.packed && *first == 0) {
    Use use(sql(Sql::remove_whole_fresh));
    use.number(number_of(settlement.id)).number(static_cast<std::int64_t>(settled.changed.size()));
    if (!use.done()) return error(Sql::remove_whole_fresh);
    if (db_.changes() > 0) return std::optional<Settled>(std::move(settled));
  }
  Use use(sql(Sql::remove_whole_message));
  use.number(number_of(settlement.id))
      .number(static_cast<std::int64_t>(settled.changed.size()))
      .number(*first)
      .number(*last);
  if (!use.done()) return error(Sql::remove_whole_message);
  if (db_.changes() == 0) return std::optional<Settled>();
  return std::optional<Settled>(std::move(settled));
}

Result<Settled> Store::settle(const Settlement& settlement, ReadFile read_file, void* context) {
  if (settlement.maybe_all && !settlement.changes.empty() && only_removes(settlement)) {
    Result<std::optional<Settled>> whole = settle_whole(settlement);
    if (!whole) return whole.error();
    if (*whole) return std::move(**whole);
  }
  // Deliveries to some of a fresh message: a statement or two, which nothing of its own can fail.
  if (settlement.packed && !settlement.unpack && only_removes(settlement)) {
    Settled settled;
    settled.id = settlement.id;
    Result<bool> done = remove_from_compact(settlement, settled);
    if (!done) return done.error();
    if (*done) return settled;
  }
  if (Status s = simple(Sql::savepoint); !s) return s.error();
  Result<Settled> result = apply(settlement, read_file, context);
  if (!result && !db_.in_transaction()) return result;
  if (!result) {
    if (Status s = simple(Sql::rollback_savepoint); !s) return s.error();
  }
  if (Status s = simple(Sql::release_savepoint); !s) return s.error();
  return result;
}

Result<Settled> Store::apply(const Settlement& settlement, ReadFile read_file, void* context) {
  Settled settled;
  settled.id = settlement.id;
  if (only_removes(settlement) && !settlement.unpack) {
    Result<bool> done = remove_from_compact(settlement, settled);
    if (!done) return done.error();
    if (*done) return settled;
  } else if (Status s = normalise(settlement.id, settlement.unpack.value_or(WallTime::max())); !s) {
    return s.error();
  }
  bool removed = false;
  for (const RecipientChange& one : settlement.changes) {
    Result<bool> found = change(settlement.id, one);
    if (!found) return found.error();
    if (!*found) continue;
    settled.changed.push_back(one.index);
    removed = removed || one.kind == ChangeKind::remove;
  }
  if (!settlement.notices.empty() && !settled.changed.empty()) {
    Result<std::optional<MessageInfo>> original = info(settlement.id);
    if (!original) return original.error();
    if (!original->has_value()) return Error{"the row of the message cannot be read", 0};
    for (const NoticeOrder& order : settlement.notices)
      if (Status s = write_notice(order, **original, settled, read_file, context); !s)
        return s.error();
  }
  if (removed)
    if (Status s = remove_if_empty(settlement.id, settled); !s) return s.error();
  return settled;
}

Result<bool> Store::change(mail::QueueId id, const RecipientChange& c) {
  if (Status s = failpoint(Failpoint::outcome_write); !s) return s.error();
  auto run = [&](Sql which, auto bind) -> Result<bool> {
    Use use(sql(which));
    use.number(number_of(id)).number(c.index);
    bind(use);
    if (!use.done()) return error(which);
    return db_.changes() > 0;
  };
  switch (c.kind) {
    case ChangeKind::remove:
      return run(Sql::remove_recipient, [](Use&) {});
    case ChangeKind::hold:
      return run(Sql::hold_recipient, [](Use&) {});
    case ChangeKind::release:
      return run(Sql::release_recipient,
                 [&](Use& use) { use.number(to_unix_ms(c.next_attempt_at)); });
    case ChangeKind::defer:
    case ChangeKind::quarantine:
      break;
  }
  std::string enhanced = c.last.reply.enhanced.text();
  return run(Sql::defer_recipient, [&](Use& use) {
    use.text(c.destination)
        .number(c.attempts)
        .number(to_unix_ms(c.next_attempt_at))
        .flag(c.in_doubt)
        .flag(c.delay_warned)
        .number(to_unix_ms(c.last.at))
        .number(static_cast<int>(c.last.stage))
        .number(std::clamp(c.last.reply.code, 0, 999))
        .text(enhanced)
        .text(c.last.reply.text)
        .text(c.last.remote_host)
        .number(c.crashes)
        .number(c.kind == ChangeKind::quarantine ? 1 : 0);
  });
}

Status Store::write_notice(NoticeOrder order, const MessageInfo& original, Settled& settled,
                           ReadFile read_file, void* context) {
  DsnRequest& request = order.request;
  std::vector<DsnRecipient> kept;
  for (std::size_t i = 0; i < order.indices.size(); ++i)
    if (std::find(settled.changed.begin(), settled.changed.end(), order.indices[i]) !=
        settled.changed.end())
      kept.push_back(std::move(request.recipients[i]));
  if (kept.empty()) return {};
  request.recipients = std::move(kept);

  std::string quoted;
  if (original.in_file) {
    quoted = read_file != nullptr ? read_file(context, original.id, notice::bytes_wanted(request))
                                  : std::string();
  } else {
    Result<std::optional<std::string>> row = content(original.id, 0, notice::bytes_wanted(request));
    if (!row) return row.error();
    quoted = row->value_or(std::string());
  }
  notice::Dsn dsn = notice::build_dsn(request, quoted);

  NewMessage written;
  written.info.id = request.id;
  written.info.envelope.smtputf8 = dsn.smtputf8;
  written.info.envelope.require_tls = request.original_require_tls;
  written.info.envelope.body =
      dsn.eight_bit ? mail::BodyType::eight_bit_mime : mail::BodyType::seven_bit;
  written.info.arrival.protocol = "local";
  written.info.arrival.received_at = request.now;
  written.info.size = dsn.content.size();
  written.info.eight_bit = dsn.eight_bit;
  written.info.kind = order.kind;
  written.info.traffic_class = TrafficClass::bounce;
  written.recipients = std::move(order.recipients);
  written.content = std::move(dsn.content);
  if (Status s = failpoint(Failpoint::bounce_insert); !s) return s.error();
  Result<Accepted> stored = insert(written, request.now);
  if (!stored) return stored.error();
  if (*stored != Accepted::stored)
    return Error{"the id of a notice exists already: " + request.id.text(), 0};
  settled.notices.push_back(std::move(written));
  return {};
}

Status Store::remove_if_empty(mail::QueueId id, Settled& settled) {
  Use use(sql(Sql::remove_empty_message));
  Use::Step step = use.number(number_of(id)).step();
  if (step == Use::Step::row) {
    settled.message_removed = true;
    settled.content_file_removed = use.flag();
    step = use.step();
  }
  if (step != Use::Step::done) return error(Sql::remove_empty_message);
  return {};
}

}  // namespace postwain::qmgr
