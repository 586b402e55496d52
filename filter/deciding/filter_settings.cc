#include "filter/deciding/filter_settings.h"

#include <algorithm>

#include "common/milter/protocol.h"

namespace postwain::filter {

using ipc::FilterVerdict;

bool FilterSettings::is_on(std::string_view listener, ipc::FilterKind kind) const {
  return std::any_of(on.begin(), on.end(), [&](const std::string& word) {
    return word == listener || word == ipc::name_of(kind);
  });
}

std::uint32_t FilterSettings::milter_actions() const {
  namespace action = milter::action;
  std::uint32_t out = action::kSetMacroList;
  if ((may & may::kHeaders) != 0) out |= action::kAddHeaders | action::kChangeHeaders;
  if ((may & may::kBody) != 0) out |= action::kChangeBody;
  if ((may & may::kRecipients) != 0)
    out |= action::kAddRecipients | action::kAddRecipientsWithArgs | action::kDeleteRecipients;
  if ((may & may::kSender) != 0) out |= action::kChangeSender;
  if ((may & may::kHold) != 0) out |= action::kQuarantine;
  return out;
}

bool FilterSettings::allows(FilterVerdict verdict) const {
  switch (verdict) {
    case FilterVerdict::keep_going:
      return true;
    case FilterVerdict::refuse:
      return (may & may::kRefuse) != 0;
    case FilterVerdict::defer:
    case FilterVerdict::hang_up:
      return (may & may::kDefer) != 0;
    case FilterVerdict::discard:
      return (may & may::kDiscard) != 0;
  }
  return false;
}

mail::Reply failure_reply(OnFailure on_failure) {
  switch (on_failure) {
    case OnFailure::defer:
      return {451, {4, 7, 1}, "mail cannot be checked at the moment, try again later"};
    case OnFailure::refuse:
      return {554, {5, 7, 1}, "mail cannot be checked"};
    case OnFailure::accept:
    case OnFailure::hold:
      break;
  }
  return {};
}

mail::Reply plain_reply(FilterVerdict verdict) {
  switch (verdict) {
    case FilterVerdict::refuse:
      return {550, {5, 7, 1}, "refused by a filter"};
    case FilterVerdict::defer:
      return {451, {4, 7, 1}, "a filter asks to try again later"};
    case FilterVerdict::hang_up:
      return {421, {4, 7, 0}, "a filter ends the session"};
    case FilterVerdict::keep_going:
    case FilterVerdict::discard:
      break;
  }
  return {};
}

}  // namespace postwain::filter
