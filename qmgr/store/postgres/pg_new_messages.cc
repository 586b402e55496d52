#include "qmgr/store/postgres/pg_new_messages.h"

#include <utility>

#include "common/base/check.h"

#include "qmgr/model/row_id.h"
#include "qmgr/store/compact_record.h"
#include "qmgr/store/postgres/pg_values.h"
#include "qmgr/store/postgres/session/pg_columns.h"

namespace postwain::qmgr {

namespace {

std::vector<PgArray> arrays_for(const PgColumns& columns) {
  std::vector<PgArray> arrays;
  for (const PgColumn& one : columns) arrays.emplace_back(one.element);
  return arrays;
}

}  // namespace

PgNewMessages::PgNewMessages()
    : messages_(arrays_for(columns_of_message())),
      contents_(arrays_for(columns_of_content())),
      recipients_(arrays_for(columns_of_new_recipient())) {}

void PgNewMessages::add(const MessageRows::Insert& one) {
  const MessageInfo& info = one.message->info;
  std::int16_t bag = info.id.bag();
  auto at = messages_.begin();
  (at++)->number(bag);
  (at++)->number(number_of(info.id));
  add_field_values(info.envelope, at);
  (at++)->flag(info.eight_bit);
  (at++)->number(static_cast<std::int64_t>(info.size));
  (at++)->number(to_unix_ms(info.arrival.received_at));
  (at++)->bytes(info.arrival.protocol);
  (at++)->bytes(info.arrival.client_address);
  (at++)->bytes(info.arrival.client_name);
  (at++)->bytes(info.arrival.account);
  (at++)->number(static_cast<int>(info.kind));
  (at++)->number(static_cast<int>(info.traffic_class));
  (at++)->flag(info.in_file);
  (at++)->number(info.header_size);
  PW_CHECK(at == messages_.end());
  if (info.has_stored_content()) {
    contents_[0].number(bag);
    contents_[1].number(number_of(info.id));
    contents_[2].bytes(one.content);
  }
  add_recipients(one, bag);
}

void PgNewMessages::add_recipients(const MessageRows::Insert& one, std::int16_t bag) {
  const NewMessage& message = *one.message;
  bool held = !message.held_for.empty();
  for (std::size_t i = 0; i < message.recipients.size(); ++i) {
    if (!is_left(one.rest, i)) continue;
    const NewRecipient& r = message.recipients[i];
    auto at = recipients_.begin();
    (at++)->number(bag);
    (at++)->number(number_of(message.info.id));
    (at++)->number(static_cast<std::int64_t>(i));
    (at++)->flag(held);
    (at++)->bytes(r.destination);
    (at++)->number(to_unix_ms(one.due));
    (at++)->number(held ? to_unix_ms(message.info.arrival.received_at) : 0);
    (at++)->bytes(held ? "4.7.1" : "");
    (at++)->bytes(message.held_for);
    add_field_values(r.recipient, at);
    PW_CHECK(at == recipients_.end());
  }
}

PgParameters PgNewMessages::parameters() && {
  PgParameters parameters;
  for (std::vector<PgArray>* arrays : {&messages_, &contents_, &recipients_})
    for (PgArray& one : *arrays) parameters.array(std::move(one));
  return parameters;
}

}  // namespace postwain::qmgr
