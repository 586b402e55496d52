#include "filter/deciding/chain_verdict.h"

#include <utility>

namespace postwain::filter {

namespace {

constexpr std::size_t kHoldTextMax = 1000;

int strength_of(ipc::FilterVerdict verdict) {
  switch (verdict) {
    case ipc::FilterVerdict::keep_going:
      return 0;
    case ipc::FilterVerdict::discard:
      return 1;
    case ipc::FilterVerdict::defer:
      return 2;
    case ipc::FilterVerdict::hang_up:
      return 3;
    case ipc::FilterVerdict::refuse:
      return 4;
  }
  return 0;
}

}  // namespace

void ChainVerdict::add(const std::string& filter, ipc::FilterVerdict verdict,
                       const mail::Reply& reply) {
  if (verdict == ipc::FilterVerdict::refuse && if_refused_) {
    Condition instead = *std::exchange(if_refused_, std::nullopt);
    return add(instead.filter, ipc::FilterVerdict::defer, instead.reply);
  }
  if (strength_of(verdict) <= strength_of(verdict_)) return;
  verdict_ = verdict;
  reply_ = reply;
  filter_ = filter;
}

void ChainVerdict::defer_if_permitted(const std::string& filter, const mail::Reply& reply) {
  if (!if_permitted_) if_permitted_ = {filter, reply};
}

void ChainVerdict::defer_if_refused(const std::string& filter, const mail::Reply& reply) {
  if (!if_refused_) if_refused_ = {filter, reply};
}

void ChainVerdict::settle() {
  if (is_final() || !if_permitted_) return;
  add(if_permitted_->filter, ipc::FilterVerdict::defer, if_permitted_->reply);
}

void ChainVerdict::hold(const std::string& why) {
  if (!hold_)
    hold_ = why;
  else if (hold_->size() + why.size() < kHoldTextMax)
    *hold_ += "; " + why;
}

}  // namespace postwain::filter
