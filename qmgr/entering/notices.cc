#include "qmgr/entering/notices.h"

#include "common/log/log.h"

#include "qmgr/model/unjudged.h"
#include "qmgr/routing/expansion.h"
#include "qmgr/verdicts/filters_asked.h"
#include "qmgr/verdicts/gate.h"

namespace postwain::qmgr {

std::vector<NoticeOrder> Notices::orders_for(const MessageInfo& given,
                                             std::vector<RecipientEvent> events) {
  // Of forwarded mail its sender is told, not our own address for him.
  MessageInfo info = given;
  info.envelope.reverse_path = core_.rewriter->sender_behind(info.envelope.reverse_path);
  NoticeSettings settings = settings_for(info);
  std::vector<NoticeOrder> orders =
      plan_notices(info, std::move(events), settings, core_.clock.wall());
  if (settings.to_stranger) leave_out_beyond_limit(info, orders);
  address(orders);
  return orders;
}

NoticeSettings Notices::settings_for(const MessageInfo& info) const {
  const config::Config& config = core_.config;
  return {config.hostname,
          config.postmaster,
          lifetimes(config.queue, info.envelope.reverse_path.is_null()).lifetime,
          config.bounces.double_bounces,
          config.bounces.original_max,
          config.bounces.words,
          is_strangers(info.arrival, config.access)};
}

void Notices::leave_out_beyond_limit(const MessageInfo& info, std::vector<NoticeOrder>& orders) {
  std::size_t recipients = 0;
  std::erase_if(orders, [&](const NoticeOrder& order) {
    if (!is_success(order.request.action) ||
        success_limit_.pass(order.request.to, core_.clock.mono()))
      return false;
    recipients += order.indices.size();
    return true;
  });
  if (recipients > 0)
    log::Line(log::Level::info, "report_left_out")
        .kv("id", info.id.text())
        .kv("from", info.envelope.reverse_path.text())
        .kv("recipients", recipients)
        .kv("reason", "too many reports of success in this hour");
}

void Notices::address(std::vector<NoticeOrder>& orders) {
  bool filtered = filters_asked(core_.config, ipc::FilterKind::notices);
  for (NoticeOrder& order : orders) {
    order.request.id = core_.next_id();
    for (mail::Address& to : readers_of(order.request.to, *core_.rewriter)) {
      if (!is_recipient(to)) {
        log::Line(log::Level::warning, "notice_has_no_reader").kv("to", to.text());
        continue;
      }
      std::string key =
          filtered ? std::string(kUnjudged) : destinations_.route(to, mail::Address()).key;
      order.recipients.push_back({{std::move(to), {}, {}}, std::move(key)});
    }
  }
  std::erase_if(orders, [](const NoticeOrder& order) { return order.recipients.empty(); });
}

}  // namespace postwain::qmgr
