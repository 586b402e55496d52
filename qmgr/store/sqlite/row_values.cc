#include "qmgr/store/sqlite/row_values.h"

#include "common/base/sane_time.h"

#include "qmgr/model/row_id.h"

namespace postwain::qmgr {

StoredRecipient read_recipient(Use& use) {
  StoredRecipient r;
  r.index = static_cast<std::uint32_t>(use.number());
  read_fields(use, r.recipient);
  r.state = enum_of(use.number(), RecipientState::held);
  r.destination = use.text();
  r.attempts = static_cast<std::uint32_t>(use.number());
  r.next_attempt_at = sane_time(use.number());
  r.in_doubt = use.flag();
  r.delay_warned = use.flag();
  r.last.at = sane_time(use.number());
  r.last.stage = enum_of(use.number(), mail::Stage::final_reply);
  r.last.reply.code = static_cast<int>(use.number());
  r.last.reply.enhanced = mail::EnhancedCode::parse(use.text());
  r.last.reply.text = use.text();
  r.last.remote_host = use.text();
  r.crashes = static_cast<std::uint32_t>(use.number());
  return r;
}

MessageInfo read_info(Use& use) {
  MessageInfo info;
  info.id = id_of(use.number());
  read_fields(use, info.envelope);
  info.eight_bit = use.flag();
  info.size = static_cast<std::uint64_t>(use.number());
  info.arrival.received_at = sane_time(use.number());
  info.arrival.protocol = use.text();
  info.arrival.client_address = use.text();
  info.arrival.client_name = use.text();
  info.arrival.account = use.text();
  info.kind = enum_of(use.number(), MessageKind::double_bounce);
  info.traffic_class = enum_of(use.number(), TrafficClass::bounce);
  info.in_file = use.flag();
  info.header_size = static_cast<std::uint32_t>(use.number());
  // Without it the file does not have the size that it should, and its recipients are held.
  if (!info.has_sane_header_size()) info.header_size = 0;
  return info;
}

}  // namespace postwain::qmgr
