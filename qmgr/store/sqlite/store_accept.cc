// Writing new messages.
#include <sqlite3.h>

#include "qmgr/disk/failpoint.h"
#include "qmgr/model/row_id.h"
#include "qmgr/store/compact_record.h"
#include "qmgr/store/sqlite/store.h"

namespace postwain::qmgr {

Error Store::error(Sql which) {
  return db_.error(sql_text(which).substr(0, 40));
}

Status Store::simple(Sql which) {
  Use use(sql(which));
  if (!use.done()) return error(which);
  return {};
}

// Needs no savepoint, which would cost as much as a row: insert() leaves nothing when it fails.
Result<Accepted> Store::accept(const NewMessage& message, WallTime due) {
  return insert(message, due);
}

// After its row was written something else of the message was refused: its row goes, and with it
// the rest. If that cannot be done the whole transaction cannot be trusted.
Error Store::take_back(mail::QueueId id, Error why) {
  if (!db_.in_transaction()) return why;  // a full disk or worse has ended it already
  Use use(sql(Sql::take_back_message));
  if (use.number(number_of(id)).done()) return why;
  return Error{why.text + "; and it could not be taken back", SQLITE_IOERR};
}

Result<Accepted> Store::accept(Submission& submission, WallTime due, ReadFile read_file,
                               void* context) {
  if (submission.parts.empty() && submission.notices.empty())
    return accept(submission.message, due);
  return in_savepoint([&] { return insert_all(submission, due, read_file, context); });
}

Result<Accepted> Store::insert_all(Submission& submission, WallTime due, ReadFile read_file,
                                   void* context) {
  Result<Accepted> first = insert(submission.message, due);
  if (!first || *first != Accepted::stored) return first;
  for (const NewMessage& part : submission.parts) {
    // Its id is ours and new.
    Result<Accepted> stored = insert(part, due, &submission.message.content);
    if (!stored) return stored;
    if (*stored != Accepted::stored)
      return Error{"the id of a part exists already: " + part.info.id.text(), 0};
  }
  Settled settled;
  for (NoticeOrder& order : submission.notices) {
    settled.changed = order.indices;
    Status written = write_notice(order, submission.message.info, settled, read_file, context);
    if (!written) return written.error();
  }
  submission.written = std::move(settled.notices);
  return Accepted::stored;
}

Result<Accepted> Store::in_savepoint(const std::function<Result<Accepted>()>& work) {
  if (Status s = simple(Sql::savepoint); !s) return s.error();
  Result<Accepted> result = work();
  // A full disk or worse has ended the whole transaction already.
  if (!result && !db_.in_transaction()) return result;
  if (!result) {
    if (Status s = simple(Sql::rollback_savepoint); !s) return s.error();
  }
  if (Status s = simple(Sql::release_savepoint); !s) return s.error();
  return result;
}

Result<Accepted> Store::insert(const NewMessage& message, WallTime due,
                               const std::string* content) {
  const std::string& bytes = content != nullptr ? *content : message.content;
  if (message.packed && fits_one_value(message, bytes)) return pack(message, due, bytes);
  Status inserted = insert_message(message);
  if (!inserted && inserted.error().code != SQLITE_CONSTRAINT_PRIMARYKEY) return inserted.error();
  if (!inserted || db_.changes() == 0) return same_message(message);
  if (Status s = insert_rows(message, due, bytes); !s) return take_back(message.info.id, s.error());
  return Accepted::stored;
}

// Inserts nothing where the message lies there as one value.
Status Store::insert_message(const NewMessage& message) {
  const MessageInfo& info = message.info;
  const mail::Envelope& envelope = info.envelope;
  Use use(sql(Sql::insert_message));
  use.number(number_of(info.id))
      .text(envelope.reverse_path.text())
      .number(static_cast<int>(envelope.body))
      .flag(envelope.smtputf8)
      .flag(info.eight_bit)
      .number(static_cast<int>(envelope.ret))
      .text(envelope.envid)
      .number(static_cast<std::int64_t>(info.size))
      .number(to_unix_ms(info.arrival.received_at))
      .text(info.arrival.protocol)
      .text(info.arrival.client_address)
      .text(info.arrival.client_name)
      .text(info.arrival.account)
      .number(static_cast<int>(info.kind))
      .number(static_cast<int>(info.traffic_class))
      .flag(info.in_file)
      .flag(envelope.require_tls)
      .flag(envelope.tls_required_no);
  if (!use.done()) return error(Sql::insert_message);
  return {};
}

Status Store::insert_rows(const NewMessage& message, WallTime due, std::string_view content,
                          std::string_view left) {
  if (Status s = failpoint(Failpoint::accept_insert); !s) return s;
  auto id = number_of(message.info.id);
  if (!message.info.in_file) {
    Use use(sql(Sql::insert_content));
    if (!use.number(id).blob(content).done()) return error(Sql::insert_content);
  }
  bool held = !message.held_for.empty();
  for (std::size_t i = 0; i < message.recipients.size(); ++i) {
    if (i < left.size() && left[i] == '0') continue;
    const NewRecipient& r = message.recipients[i];
    Use use(sql(Sql::insert_recipient));
    use.number(id)
        .number(static_cast<std::int64_t>(i))
        .text(r.recipient.address.text())
        .number(r.recipient.notify.bits)
        .text(r.recipient.orcpt)
        .text(r.destination)
        .number(to_unix_ms(due))
        .flag(held)
        .number(held ? to_unix_ms(message.info.arrival.received_at) : 0)
        .text(held ? "4.7.1" : "")
        .text(message.held_for);
    if (!use.done()) return error(Sql::insert_recipient);
  }
  return {};
}

// The id is there already. The same transaction submitted once more is stored once; another
// transaction with the same id (a clock set back) must not be swallowed.
Result<Accepted> Store::same_message(const NewMessage& message) {
  Result<std::optional<MessageInfo>> stored = info(message.info.id);
  if (!stored) return stored.error();
  if (!*stored) return Accepted::conflict;
  const MessageInfo& old = **stored;
  bool same = old.size == message.info.size &&
              old.arrival.received_at == message.info.arrival.received_at &&
              old.envelope.reverse_path == message.info.envelope.reverse_path;
  return same ? Accepted::duplicate : Accepted::conflict;
}

Status Store::put_breaker(const OpenBreaker& breaker) {
  if (Status s = failpoint(Failpoint::fact_write); !s) return s;
  Use use(sql(Sql::put_breaker));
  use.text(breaker.destination)
      .number(breaker.opens)
      .number(to_unix_ms(breaker.opened_at))
      .number(to_unix_ms(breaker.hold_until))
      .text(breaker.reason);
  if (!use.done()) return error(Sql::put_breaker);
  return {};
}

Status Store::remove_breaker(const std::string& destination) {
  Use use(sql(Sql::remove_breaker));
  if (!use.text(destination).done()) return error(Sql::remove_breaker);
  return {};
}

}  // namespace postwain::qmgr
