#include "qmgr/store/writing/notice_writer.h"

#include <algorithm>

namespace postwain::qmgr {

bool keep_changed(NoticeOrder& order, std::span<const std::uint32_t> changed) {
  std::vector<DsnRecipient> kept;
  std::vector<std::uint32_t> indices;
  for (std::size_t i = 0; i < order.indices.size(); ++i) {
    if (std::find(changed.begin(), changed.end(), order.indices[i]) == changed.end()) continue;
    kept.push_back(std::move(order.request.recipients[i]));
    indices.push_back(order.indices[i]);
  }
  order.request.recipients = std::move(kept);
  order.indices = std::move(indices);
  return !order.indices.empty();
}

NewMessage write_notice(const NoticeOrder& order, std::string_view original_start) {
  const DsnRequest& request = order.request;
  notice::Dsn dsn = notice::build_dsn(request, original_start);
  NewMessage written;
  written.info.id = request.id;
  written.info.envelope.smtputf8 = dsn.smtputf8;
  written.info.envelope.require_tls = request.original_require_tls;
  written.info.envelope.sign = mail::Signing::dkim;
  written.info.envelope.body =
      dsn.eight_bit ? mail::BodyType::eight_bit_mime : mail::BodyType::seven_bit;
  written.info.arrival.protocol = "local";
  written.info.arrival.received_at = request.now;
  written.info.size = dsn.content.size();
  written.info.eight_bit = dsn.eight_bit;
  written.info.kind = order.kind;
  written.info.traffic_class = TrafficClass::bounce;
  written.recipients = order.recipients;
  written.content = std::move(dsn.content);
  return written;
}

}  // namespace postwain::qmgr
