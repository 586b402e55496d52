// What is known of recipients whose domain says recipients = "probe": from probes, and from what
// real deliveries met. Pure: a bounded map with times.
//
// Who was good stays so for a week, and is asked about again once a day, in passing; who was bad is
// bad for an hour, because somebody may make the mailbox.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/mail/address.h"
#include "common/mail/outcome.h"
#include "qmgr/model/message.h"

namespace postwain::qmgr {

constexpr std::size_t kRecipientsKnownMax = 100'000;
constexpr Duration kGoodFor = std::chrono::hours(24 * 7);
constexpr Duration kGoodFresh = std::chrono::hours(24);
constexpr Duration kBadFor = std::chrono::hours(1);

class RecipientCache {
 public:
  // local part and domain in lower case: two mailboxes that differ in case only do not occur.
  static std::string key_of(const mail::Address& address);

  struct Found {
    const RecipientCheck* check;
    bool fresh;  // else it is time to ask again
  };
  std::optional<Found> find(const std::string& key, WallTime now) const;
  // False: nothing new worth keeping on the disk.
  bool put(RecipientCheck check);
  std::size_t size() const { return known_.size(); }

 private:
  std::unordered_map<std::string, RecipientCheck> known_;
};

// What an outcome, of a probe or of a delivery, says of the recipient; nothing when it says nothing
// (the peer refused the sender, could not be reached, was full).
std::optional<RecipientCheck> check_of(const mail::Address& address, const mail::Outcome& outcome,
                                       WallTime now);

// For the client: 250, or the next hop's own word as a refusal.
mail::Reply reply_of(const RecipientCheck& check);

}  // namespace postwain::qmgr
