#include "filter/deciding/filter_rules.h"

#include <algorithm>

#include "common/milter/protocol.h"

namespace postwain::filter {

using config::FilterRight;
using ipc::FilterVerdict;

bool names_place(const std::vector<std::string>& on, std::string_view listener,
                 ipc::FilterKind kind) {
  return std::any_of(on.begin(), on.end(), [&](const std::string& word) {
    return word == listener || word == ipc::name_of(kind);
  });
}

config::FilterRights rights_at(config::FilterRights may, ipc::FilterKind kind) {
  if (kind != ipc::FilterKind::notices) return may;
  return may.has(FilterRight::headers) ? config::FilterRights{FilterRight::headers}
                                       : config::FilterRights{};
}

config::FilterFailure failure_at(config::FilterFailure on_failure, ipc::FilterKind kind) {
  return kind == ipc::FilterKind::notices ? config::FilterFailure::accept : on_failure;
}

std::uint32_t milter_actions(config::FilterRights may) {
  namespace action = milter::action;
  std::uint32_t out = action::kSetMacroList;
  if (may.has(FilterRight::headers)) out |= action::kAddHeaders | action::kChangeHeaders;
  if (may.has(FilterRight::body)) out |= action::kChangeBody;
  if (may.has(FilterRight::recipients))
    out |= action::kAddRecipients | action::kAddRecipientsWithArgs | action::kDeleteRecipients;
  if (may.has(FilterRight::sender)) out |= action::kChangeSender;
  if (may.has(FilterRight::hold)) out |= action::kQuarantine;
  return out;
}

bool allows(config::FilterRights may, FilterVerdict verdict) {
  switch (verdict) {
    case FilterVerdict::keep_going:
      return true;
    case FilterVerdict::refuse:
      return may.has(FilterRight::refuse);
    case FilterVerdict::defer:
    case FilterVerdict::hang_up:
      return may.has(FilterRight::defer);
    case FilterVerdict::discard:
      return may.has(FilterRight::discard);
  }
  return false;
}

mail::Reply failure_reply(config::FilterFailure on_failure) {
  switch (on_failure) {
    case config::FilterFailure::defer:
      return {451, {4, 7, 1}, "mail cannot be checked at the moment, try again later"};
    case config::FilterFailure::refuse:
      return {554, {5, 7, 1}, "mail cannot be checked"};
    case config::FilterFailure::accept:
    case config::FilterFailure::hold:
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
