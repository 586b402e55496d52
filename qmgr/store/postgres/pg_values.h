// Rows of the tables as values, and the keys of messages as arrays. What comes back is checked like
// input from outside: numbers are brought within their enumerations and times within the years we
// can show, so that a damaged row is no impossible value.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "qmgr/model/message.h"
#include "qmgr/store/postgres/session/pg_bags.h"
#include "qmgr/store/postgres/session/pg_parameters.h"
#include "qmgr/store/postgres/session/pg_result.h"
#include "qmgr/store/queue_store.h"

namespace postwain::qmgr {

// Messages that are to be changed, by their keys, for unnest(). Those of another node's bags are
// left out: for us they are not there.
class PgKeys {
 public:
  explicit PgKeys(const PgBags& own) : own_(&own) {}

  // which: what the caller calls it by. False: it was left out, in columns beside the keys, too.
  bool add(mail::QueueId id, std::size_t which);
  PgArray bags{PgArray::Element::int2};
  PgArray ids{PgArray::Element::int8};
  // Of an entry, by the server's ORDINALITY, which begins with 1. Nothing: there is no such entry.
  std::optional<std::size_t> which(std::int64_t ordinality) const;

 private:
  const PgBags* own_;
  std::vector<std::size_t> which_;
};

PgParameters keys_of(const PgBags& bags, std::span<const mail::QueueId> ids);
// For reading, whoever has them.
PgParameters keys_for_reading(std::span<const mail::QueueId> ids);
PgArray array_of(const BagList& bags);

// For a new message whose id is of a bag that is another node's.
StoreError not_our_bag(mail::QueueId id);

// Sets the flags of those ids that the one column of the result names. An id that is not in
// `first`, or a row of another form, is damage.
StoreStatus set_flags(const PgResult& result,
                      const std::unordered_map<mail::QueueId, std::size_t>& first, Flags& flags);
// The same of a result whose one column is the ORDINALITY of the keys.
StoreStatus set_flags(const PgResult& result, const PgKeys& keys, Flags& flags);

template <class Enum>
Enum pg_enum(std::int64_t number, Enum last) {
  return static_cast<Enum>(std::clamp<std::int64_t>(number, 0, static_cast<std::int64_t>(last)));
}
inline std::uint32_t pg_count(std::int64_t number) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(number, 0, UINT32_MAX));
}

// The columns of message behind `bag`, and those of recipient from `message_id` on, in the order of
// session/pg_columns.h. Whether they were right is the reader's to say.
MessageInfo read_pg_message(PgReader& row);
struct PgRecipientRow {
  mail::QueueId message;
  StoredRecipient recipient;
};
PgRecipientRow read_pg_recipient(PgReader& row);

// The fields of an envelope, or of what RCPT said, in the order of visit_fields(): one value for
// each of the arrays from `at` on, which is then the one behind them.
template <class Owner>
void add_field_values(const Owner& owner, std::vector<PgArray>::iterator& at) {
  mail::visit_fields(owner, [&at](const mail::FieldName&, const auto& value) {
    using Field = std::remove_cvref_t<decltype(value)>;
    PgArray& column = *at++;
    if constexpr (std::is_same_v<Field, mail::Address>)
      column.bytes(value.text());
    else if constexpr (std::is_same_v<Field, std::string>)
      column.bytes(value);
    else if constexpr (std::is_same_v<Field, mail::Notify>)
      column.number(value.bits);
    else
      column.number(static_cast<std::int64_t>(value));
  });
}

}  // namespace postwain::qmgr
