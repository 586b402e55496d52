#include "qmgr/intake/recipient_cache.h"

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kTextKept = 200;

bool is_over(const RecipientCheck& check, WallTime now) {
  return check.at > now + kGoodFresh || now - check.at >= (check.good ? kGoodFor : kBadFor);
}

}  // namespace

std::string RecipientCache::key_of(const mail::Address& address) {
  return to_lower(address.local_unquoted()) + "@" + address.domain_key();
}

std::optional<RecipientCache::Found> RecipientCache::find(const std::string& key,
                                                          WallTime now) const {
  auto found = known_.find(key);
  if (found == known_.end() || is_over(found->second, now)) return std::nullopt;
  return Found{&found->second, !found->second.good || now - found->second.at < kGoodFresh};
}

bool RecipientCache::put(RecipientCheck check) {
  auto known = known_.find(check.address);
  if (known != known_.end()) {
    // Every delivery says it again: once an hour is enough for the disk.
    bool same = known->second.good == check.good && check.at >= known->second.at &&
                check.at - known->second.at < kBadFor;
    if (same) return false;
    known->second = std::move(check);
    return true;
  }
  if (known_.size() >= kRecipientsKnownMax) {
    WallTime now = check.at;
    std::erase_if(known_, [&](const auto& entry) { return is_over(entry.second, now); });
    if (known_.size() >= kRecipientsKnownMax) known_.erase(known_.begin());
  }
  std::string key = check.address;
  known_.emplace(std::move(key), std::move(check));
  return true;
}

std::optional<RecipientCheck> check_of(const mail::Address& address, const mail::Outcome& outcome,
                                       WallTime now) {
  RecipientCheck check{RecipientCache::key_of(address), false, outcome.reply, now};
  check.reply.text = printable(check.reply.text, kTextKept);
  bool at_recipient =
      outcome.stage == mail::Stage::rcpt || outcome.stage == mail::Stage::final_reply;
  if (!at_recipient) return std::nullopt;
  if (outcome.disposition == mail::Disposition::delivered) {
    check.good = true;
    return check;
  }
  // After the content a refusal may be about the content. What the next hop has against us (x.7.x,
  // no login, a sequence it does not like) says nothing of the recipient.
  const mail::EnhancedCode& status = outcome.reply.enhanced;
  bool about_us = status.present() ? status.subject == 7 || status.subject == 5
                                   : outcome.reply.code == 530 || outcome.reply.code == 503;
  if (about_us) return std::nullopt;
  bool unknown = outcome.disposition == mail::Disposition::failed &&
                 outcome.stage == mail::Stage::rcpt && outcome.blame == mail::Blame::recipient &&
                 outcome.reply.permanent();
  if (!unknown) return std::nullopt;
  return check;
}

mail::Reply reply_of(const RecipientCheck& check) {
  if (check.good) return {250, {2, 1, 5}, "Ok"};
  mail::EnhancedCode enhanced =
      check.reply.enhanced.klass == 5 ? check.reply.enhanced : mail::EnhancedCode{5, 1, 1};
  return {550, enhanced, fmt::format("Recipient address rejected: {}", check.reply.text)};
}

}  // namespace postwain::qmgr
