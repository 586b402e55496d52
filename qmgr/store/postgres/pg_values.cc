#include "qmgr/store/postgres/pg_values.h"

#include "common/base/sane_time.h"

#include "qmgr/model/row_id.h"

namespace postwain::qmgr {

namespace {

template <class Owner>
void read_field_values(PgReader& row, Owner& owner) {
  mail::visit_fields(owner, [&row](const mail::FieldName&, auto& value) {
    using Field = std::remove_cvref_t<decltype(value)>;
    if constexpr (std::is_same_v<Field, mail::Address>)
      value = mail::Address::from_text(row.text());
    else if constexpr (std::is_same_v<Field, std::string>)
      value = row.text();
    else if constexpr (std::is_same_v<Field, bool>)
      value = row.flag();
    else if constexpr (std::is_same_v<Field, mail::Notify>)
      value.bits = static_cast<std::uint8_t>(row.number() & 15);
    else
      value = pg_enum(row.number(), last_of(Field{}));
  });
}

}  // namespace

bool PgKeys::add(mail::QueueId id, std::size_t which) {
  if (!own_->has(id)) return false;
  bags.number(id.bag());
  ids.number(number_of(id));
  which_.push_back(which);
  return true;
}

std::optional<std::size_t> PgKeys::which(std::int64_t ordinality) const {
  if (ordinality < 1 || static_cast<std::size_t>(ordinality) > which_.size()) return std::nullopt;
  return which_[static_cast<std::size_t>(ordinality) - 1];
}

PgParameters keys_of(const PgBags& own, std::span<const mail::QueueId> ids) {
  PgKeys keys(own);
  for (std::size_t i = 0; i < ids.size(); ++i) keys.add(ids[i], i);
  PgParameters parameters;
  parameters.array(std::move(keys.bags)).array(std::move(keys.ids));
  return parameters;
}

PgParameters keys_for_reading(std::span<const mail::QueueId> ids) {
  return keys_of(PgBags(mail::kAllBags), ids);
}

PgArray array_of(const BagList& bags) {
  PgArray array(PgArray::Element::int2);
  for (std::int16_t bag : bags) array.number(bag);
  return array;
}

StoreError not_our_bag(mail::QueueId id) {
  return {StoreError::Kind::refused,
          id.text() + " is of a part of the queue that belongs to another node now"};
}

StoreStatus set_flags(const PgResult& result,
                      const std::unordered_map<mail::QueueId, std::size_t>& first, Flags& flags) {
  for (int i = 0; i < result.rows(); ++i) {
    PgReader row(result, i);
    auto found = first.find(id_of(row.number()));
    if (!row.done() || found == first.end()) return strange_answer();
    flags[found->second] = true;
  }
  return {};
}

StoreStatus set_flags(const PgResult& result, const PgKeys& keys, Flags& flags) {
  for (int i = 0; i < result.rows(); ++i) {
    PgReader row(result, i);
    std::optional<std::size_t> which = keys.which(row.number());
    if (!row.done() || !which) return strange_answer();
    flags[*which] = true;
  }
  return {};
}

MessageInfo read_pg_message(PgReader& row) {
  MessageInfo info;
  info.id = id_of(row.number());
  read_field_values(row, info.envelope);
  info.eight_bit = row.flag();
  info.size = static_cast<std::uint64_t>(std::max<std::int64_t>(0, row.number()));
  info.arrival.received_at = sane_time(row.number());
  info.arrival.protocol = row.text();
  info.arrival.client_address = row.text();
  info.arrival.client_name = row.text();
  info.arrival.account = row.text();
  info.kind = pg_enum(row.number(), MessageKind::double_bounce);
  info.traffic_class = pg_enum(row.number(), TrafficClass::bounce);
  info.in_file = row.flag();
  info.header_size = pg_count(row.number());
  // Without it the file does not have the size that it should, and its recipients are held.
  if (!info.has_sane_header_size()) info.header_size = 0;
  return info;
}

PgRecipientRow read_pg_recipient(PgReader& row) {
  PgRecipientRow out;
  out.message = id_of(row.number());
  StoredRecipient& r = out.recipient;
  r.index = pg_count(row.number());
  read_field_values(row, r.recipient);
  r.state = pg_enum(row.number(), RecipientState::held);
  r.destination = row.text();
  r.attempts = pg_count(row.number());
  r.next_attempt_at = sane_time(row.number());
  r.in_doubt = row.flag();
  r.delay_warned = row.flag();
  r.last.at = sane_time(row.number());
  r.last.stage = pg_enum(row.number(), mail::Stage::final_reply);
  r.last.reply.code = static_cast<int>(row.number());
  r.last.reply.enhanced = mail::EnhancedCode::parse(row.view());
  r.last.reply.text = row.text();
  r.last.remote_host = row.text();
  r.crashes = pg_count(row.number());
  return out;
}

}  // namespace postwain::qmgr
