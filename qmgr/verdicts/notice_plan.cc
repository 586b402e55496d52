#include "qmgr/verdicts/notice_plan.h"

#include <array>

namespace postwain::qmgr {

namespace {

DsnAction action_of(Event event) {
  switch (event) {
    case Event::failed:
    case Event::expired:
      return DsnAction::failed;
    case Event::delayed:
      return DsnAction::delayed;
    case Event::delivered:
      return DsnAction::delivered;
    case Event::relayed:
      return DsnAction::relayed;
    case Event::expanded:
      return DsnAction::expanded;
  }
  return DsnAction::failed;
}

bool wanted(const mail::Notify& notify, DsnAction action) {
  switch (action) {
    case DsnAction::failed:
      return notify.on_failure();
    case DsnAction::delayed:
      return notify.on_delay();
    case DsnAction::delivered:
    case DsnAction::relayed:
    case DsnAction::expanded:
      return notify.on_success();
  }
  return false;
}

}  // namespace

bool is_success(DsnAction action) {
  return action == DsnAction::delivered || action == DsnAction::relayed ||
         action == DsnAction::expanded;
}

namespace {

DsnRequest request_for(const MessageInfo& message, DsnAction action, const NoticeSettings& settings,
                       WallTime now) {
  DsnRequest request;
  request.action = action;
  request.hostname = settings.hostname;
  request.postmaster = settings.postmaster;
  request.words = settings.words;
  request.original_max = settings.original_max;
  request.quotes = !(settings.to_stranger && is_success(action));
  request.now = now;
  request.retry_until = message.arrival.received_at + settings.lifetime;
  request.to_postmaster = message.envelope.reverse_path.is_null();
  request.to = request.to_postmaster ? mail::Address::from_text(settings.postmaster)
                                     : message.envelope.reverse_path;
  request.original_id = message.id;
  request.original_sender = message.envelope.reverse_path;
  request.ret = message.envelope.ret;
  request.envid = message.envelope.envid;
  request.arrived_at = message.arrival.received_at;
  request.original_size = message.size;
  request.original_require_tls = message.envelope.require_tls;
  request.original_binary = message.envelope.body == mail::BodyType::binary_mime;
  return request;
}

}  // namespace

bool ends_untold(const MessageInfo& message, bool double_bounces) {
  return message.kind == MessageKind::double_bounce ||
         (message.envelope.reverse_path.is_null() && !double_bounces);
}

std::vector<NoticeOrder> plan_notices(const MessageInfo& message,
                                      std::vector<RecipientEvent> events,
                                      const NoticeSettings& settings, WallTime now) {
  std::vector<NoticeOrder> orders;
  if (ends_untold(message, settings.double_bounces)) return orders;
  bool null_sender = message.envelope.reverse_path.is_null();
  constexpr std::array kActions = {DsnAction::failed, DsnAction::delayed, DsnAction::delivered,
                                   DsnAction::relayed, DsnAction::expanded};
  for (DsnAction action : kActions) {
    if (null_sender && action != DsnAction::failed) continue;
    bool open = false;
    for (RecipientEvent& event : events) {
      if (action_of(event.event) != action) continue;
      if (!wanted(event.details.recipient.notify, action)) continue;
      if (!open || orders.back().indices.size() >= notice::kDsnRecipientsMax) {
        NoticeOrder order;
        order.request = request_for(message, action, settings, now);
        order.kind = null_sender ? MessageKind::double_bounce : MessageKind::notice;
        orders.push_back(std::move(order));
        open = true;
      }
      event.details.expired = event.event == Event::expired;
      orders.back().indices.push_back(event.index);
      orders.back().request.recipients.push_back(std::move(event.details));
    }
  }
  return orders;
}

}  // namespace postwain::qmgr
