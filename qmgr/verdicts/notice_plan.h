// Who is told what: which settled recipients lead to which notices (RFC 3461 4.1, 6.2; RFC 5321
// 6.1). Pure.
//
// The null sender is never answered: what fails there is dropped by the caller with a log line.
// Where the operator wants double bounces the postmaster is told first, once: such a report bears a
// mark in its header (mail::kDoubleBounceField), by which it is known when it comes back by SMTP,
// and what fails with that mark is dropped. One notice for all recipients of one event.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "qmgr/model/changes.h"
#include "qmgr/model/message.h"

namespace postwain::qmgr {

enum class Event : std::uint8_t { failed, expired, delayed, delivered, relayed, expanded };

struct RecipientEvent {
  std::uint32_t index = 0;
  Event event = Event::failed;
  DsnRecipient details;
};

struct NoticeSettings {
  std::string hostname;
  std::string postmaster;
  Duration lifetime{};          // of the message the notices are about
  bool double_bounces = false;  // whether the postmaster hears of notices that find no reader
  std::uint64_t original_max = notice::kDsnQuoteDefault;
  std::shared_ptr<const notice::Words> words;
  bool to_stranger = false;  // whose reports of success quote nothing (success_limit.h)
};

bool is_success(DsnAction action);  // a report that everything is well

// Whether nobody is told when it fails.
bool ends_untold(const MessageInfo& message, bool double_bounces);

// The orders come without id and destination; the caller gives each both.
std::vector<NoticeOrder> plan_notices(const MessageInfo& message,
                                      std::vector<RecipientEvent> events,
                                      const NoticeSettings& settings, WallTime now);

}  // namespace postwain::qmgr
