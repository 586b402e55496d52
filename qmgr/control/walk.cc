#include "qmgr/control/walk.h"

#include <utility>

#include "common/mail/queue_id.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kReasonsMax = 20;  // told apart

}  // namespace

Walk::Walk(Command command, Purpose purpose, Action action, mail::QueueId next_id,
           std::optional<std::vector<mail::QueueId>> only)
    : command_(std::move(command)),
      purpose_(purpose),
      action_(action),
      only_(std::move(only)),
      leg_{{}, next_id, false} {
  if (std::optional<mail::QueueId> id = command_.filter.id) {
    leg_.last = *id;
    leg_.at.after = mail::QueueId{id->value - 1};
  }
}

void Walk::begin_page(ListCursor next, bool end, WallTime now) {
  leg_.at = next;
  no_more_pages_ = end && !begin_second_leg(now);
  page_ended_ = false;
}

bool Walk::begin_second_leg(WallTime now) {
  bool single = only_ || command_.filter.id;
  if (single || leg_.is_second) return false;
  leg_ = {{}, mail::QueueId{mail::QueueId::kLast}, true};
  leg_.at.after = mail::QueueId::first_of(now + mail::QueueIdSource::kPassMax);
  return true;
}

bool Walk::meet(const StoredMessage& part) {
  bool is_new = std::exchange(matched_last_, part.info.id) != part.info.id;
  if (is_new) ++acted_.matched;
  acted_.recipients += part.recipients.size();
  return is_new;
}

void Walk::hinder(const std::string& why, std::size_t recipients) {
  bool room = hindered_.size() < kReasonsMax || hindered_.contains(why);
  hindered_[room ? why : std::string("for other reasons")] += recipients;
}

void Walk::merge(const Acted& acted, const std::map<std::string, std::size_t>& hindered) {
  acted_.matched += acted.matched;
  acted_.changed += acted.changed;
  acted_.recipients += acted.recipients;
  acted_.recipients_changed += acted.recipients_changed;
  for (const auto& [why, recipients] : hindered) hinder(why, recipients);
}

void Walk::acted(mail::QueueId id, std::size_t changed) {
  if (changed > 0 && std::exchange(changed_last_, id) != id) ++acted_.changed;
  acted_.recipients_changed += changed;
  --acting_;
}

void Walk::waited(std::size_t recipients, std::size_t changed, bool counted) {
  if (changed > 0 && !counted) ++acted_.changed;
  acted_.recipients_changed += changed;
  waiting_ -= recipients;
}

Walk::Next Walk::next() {
  if (no_more_pages_) return waiting_ > 0 ? Next::await : Next::end;
  return purpose_ == Purpose::act && ++pages_ % kTellPages == 0 ? Next::tell : Next::page;
}

std::optional<std::string> Walk::not_found() const {
  if (!command_.filter.id || acted_.matched > 0 || !hindered_.empty()) return std::nullopt;
  ListFilter rest = command_.filter;
  rest.id.reset();
  std::string text = "no message " + command_.filter.id->text() + " in the queue";
  return rest.is_empty() ? text : text + " matches";
}

}  // namespace postwain::qmgr
