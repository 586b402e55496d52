#include "qmgr/routing/expansion.h"

#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "common/base/text.h"

namespace postwain::qmgr {

namespace {

using mail::Notify;

// The recipients that share a reverse-path.
struct Group {
  mail::Address owner;     // null: the sender of the message
  bool forwarded = false;  // the owner is that sender, rewritten
  std::vector<NewRecipient> recipients;
  std::unordered_map<std::string, std::size_t> expanded;  // lower-case addresses, their places
};

std::string key_of(const mail::Address& address) {
  return to_lower(address.local_unquoted()) + '@' + address.domain_key();
}

std::string exact_key_of(const mail::Address& address) {
  return address.local_unquoted() + '@' + address.domain_key();
}

// What each of several gets: the report of success was the expansion itself.
Notify notify_of_several(Notify notify) {
  if (!notify.on_success()) return notify;
  std::uint8_t rest = notify.bits & static_cast<std::uint8_t>(~Notify::success);
  return {rest == Notify::unspecified ? static_cast<std::uint8_t>(Notify::never) : rest};
}

// Who is reached by two ways: whatever was asked for on either is told. Nothing said means failure
// and delay.
void merge(Notify& known, Notify other) {
  if (known == other || other.bits == Notify::never) return;
  if (known.bits == Notify::never) {
    known = other;
    return;
  }
  constexpr std::uint8_t kUnsaid = Notify::failure | Notify::delay;
  for (Notify* one : {&known, &other})
    if (one->bits == Notify::unspecified) one->bits = kUnsaid;
  known.bits |= other.bits;
}

class Expander {
 public:
  Expander(NewMessage message, const rewrite::Rewriter& rewriter, const ForwardingNow& forwarding)
      : message_(std::move(message)), rewriter_(rewriter), forwarding_(forwarding) {
    groups_.emplace_back();
    null_sender_ = message_.info.envelope.reverse_path.is_null();
    local_ = message_.info.arrival.protocol == "local";
  }

  ExpandedMail run(const std::function<mail::QueueId()>& next_id) {
    given_sender_ = message_.info.envelope.reverse_path;
    sender_ = rewriter_.sender(given_sender_);
    find_copies();
    for (NewRecipient& r : message_.recipients) {
      take(std::move(r));
      if (out_.problem != rewrite::Problem::none && !local_) return std::move(out_);
    }
    for (const Copy& copy : copies_) take_copy(copy);
    if (!out_.told.empty()) out_.as_given = message_.info;
    message_.info.envelope.reverse_path = sender_;
    divide(next_id);
    return std::move(out_);
  }

 private:
  struct Copy {
    rewrite::BlindCopy to;
    std::string of;  // the address that it is a copy for
  };

  // What a recipient comes from that nobody has named.
  struct From {
    std::string given;  // the address that stands for him, or that he gets a copy for
    Notify notify;
    std::string orcpt;
  };

  // Of what nobody gets there is no copy.
  void find_copies() {
    bool somebody = false;
    for (const NewRecipient& r : message_.recipients) {
      if (r.recipient.decided.code != 0) continue;
      somebody = true;
      for (rewrite::BlindCopy& one : rewriter_.recipient_copies(r.recipient.address))
        copies_.push_back({std::move(one), r.recipient.address.text()});
    }
    if (!somebody) return;
    for (rewrite::BlindCopy& one : rewriter_.sender_copies(given_sender_))
      copies_.push_back({std::move(one), null_sender_ ? "<>" : given_sender_.text()});
  }

  // After all others, so that who is among them keeps what was asked for him.
  void take_copy(const Copy& copy) {
    if (!copied_.insert(key_of(copy.to.address)).second) return;
    mail::Recipient given;
    given.address = copy.to.address;
    given.notify.bits = Notify::never;
    rewrite::Expansion found = rewriter_.expand(given.address);
    count_ += found.targets.size();
    if (found.problem == rewrite::Problem::none && count_ > kExpandedRecipientsMax) {
      count_ -= found.targets.size();
      found.problem = rewrite::Problem::too_many;
    }
    if (found.problem != rewrite::Problem::none)
      return note_failed(found.problem, {std::move(given), {}, copy.of}, copy.to.origin);
    const From from{copy.of, given.notify, {}};
    for (rewrite::Target& target : found.targets) {
      bool to_list = !target.owner.is_null() && !null_sender_;
      add(from, std::move(target), false, to_list);
    }
  }

  void take(NewRecipient r) {
    if (r.recipient.decided.code != 0) return groups_.front().recipients.push_back(std::move(r));
    const mail::Address& given = r.recipient.address;
    rewrite::Expansion found = rewriter_.expand(given);
    if (found.problem != rewrite::Problem::none)
      return fail(found.problem, std::move(r), found.origin);
    count_ += found.targets.size();
    if (count_ > kExpandedRecipientsMax) {
      count_ -= found.targets.size();
      return fail(rewrite::Problem::too_many, std::move(r), found.origin);
    }
    if (!found.changed) return keep(std::move(r));
    if (found.targets.size() > 1) {
      rewrite::Target first = found.targets.front();
      std::erase_if(found.targets, [](const rewrite::Target& one) { return one.discard; });
      if (found.targets.empty()) found.targets.push_back(std::move(first));
    }
    From from{given.text(), r.recipient.notify, r.recipient.orcpt};
    if (from.orcpt.empty()) from.orcpt = (given.is_utf8() ? "utf-8;" : "rfc822;") + given.text();
    bool several = found.targets.size() > 1;
    bool owned = false;
    bool shared = false;
    for (rewrite::Target& target : found.targets) {
      bool to_list = !target.owner.is_null() && !null_sender_;
      owned = owned || to_list;
      shared = shared || !to_list;
      add(from, std::move(target), several, to_list);
    }
    if (r.recipient.notify.on_success() && (several || owned)) add_expanded(r.recipient, shared);
  }

  // He may have been reached by an alias already. Given addresses that differ in the case of the
  // local part alone are two: only the host that knows the mailboxes may say that they are one.
  void keep(NewRecipient r) {
    if (NewRecipient* other = forwarded_to(r.recipient.address))
      return merge(other->recipient.notify, r.recipient.notify);
    Group& group = groups_.front();
    auto [known, is_new] =
        group.expanded.try_emplace(key_of(r.recipient.address), group.recipients.size());
    if (!is_new && !group.recipients[known->second].given.empty())
      return merge(group.recipients[known->second].recipient.notify, r.recipient.notify);
    group.recipients.push_back(std::move(r));
  }

  void add(const From& from, rewrite::Target target, bool several, bool to_list) {
    Notify notify = several ? notify_of_several(from.notify) : from.notify;
    if (to_list) notify = {};
    Group& group = to_list ? group_of(target.owner) : group_for(target);
    if (group.forwarded)
      if (auto named = groups_.front().expanded.find(key_of(target.address));
          named != groups_.front().expanded.end())
        return merge(groups_.front().recipients[named->second].recipient.notify, notify);
    auto [known, is_new] =
        group.expanded.try_emplace(key_of(target.address), group.recipients.size());
    if (!is_new) return merge(group.recipients[known->second].recipient.notify, notify);
    NewRecipient r;
    r.recipient.notify = notify;
    r.given = from.given;
    r.recipient.address = std::move(target.address);
    if (target.discard) r.recipient.decided = {250, {2, 0, 0}, "discarded by its alias"};
    if (!to_list) r.recipient.orcpt = from.orcpt;
    group.recipients.push_back(std::move(r));
  }

  // Of whom no list's owner is told: the sender as he is, or rewritten where the mail leaves.
  Group& group_for(const rewrite::Target& target) {
    const Forwarding* forwarding = forwarding_.forwarding;
    if (forwarding == nullptr || !forwarding->is_on() || target.discard) return groups_.front();
    if (!forwarded_) forwarded_ = forwarding->sender(sender_, forwarding_.now);
    if (forwarded_->need != rewrite::SrsNeed::rewrite ||
        !forwarding->leaves(target.address, sender_, message_.info.arrival.client_address))
      return groups_.front();
    out_.sender_kept = forwarded_->problem;
    if (forwarded_->problem != rewrite::SrsProblem::none) return groups_.front();
    Group& group = group_of(forwarded_->address);
    group.forwarded = true;
    return group;
  }

  // Who gets it under a rewritten sender already.
  NewRecipient* forwarded_to(const mail::Address& address) {
    if (!forwarded_ || forwarded_->address.is_null()) return nullptr;
    auto group = by_owner_.find(key_of(forwarded_->address));
    if (group == by_owner_.end()) return nullptr;
    Group& there = groups_[group->second];
    auto known = there.expanded.find(key_of(address));
    return known == there.expanded.end() ? nullptr : &there.recipients[known->second];
  }

  Group& group_of(const mail::Address& owner) {
    auto [at, is_new] = by_owner_.try_emplace(key_of(owner), groups_.size());
    if (is_new) {
      groups_.emplace_back();
      groups_.back().owner = owner;
    }
    return groups_[at->second];
  }

  // To a list it has been delivered; other expansions say what they are.
  void add_expanded(const mail::Recipient& given, bool shared) {
    RecipientEvent event;
    event.index = static_cast<std::uint32_t>(out_.told.size());
    event.event = shared ? Event::expanded : Event::delivered;
    event.details.recipient = given;
    event.details.reply = {250, {2, 1, 5}, shared ? "expanded" : "delivered to the mailing list"};
    event.details.last_attempt_at = message_.info.arrival.received_at;
    out_.told.push_back(std::move(event));
  }

  void fail(rewrite::Problem problem, NewRecipient r, const config::Origin& origin) {
    if (local_) return note_failed(problem, std::move(r), origin);
    note(problem, r, origin);
  }

  void note(rewrite::Problem problem, const NewRecipient& r, const config::Origin& origin) {
    if (out_.problem != rewrite::Problem::none) return;
    out_.problem = problem;
    out_.problem_at = r.recipient.address.text();
    out_.origin = origin;
  }

  void note_failed(rewrite::Problem problem, NewRecipient r, const config::Origin& origin) {
    note(problem, r, origin);
    r.recipient.decided = {550, {5, 2, 4}, "the address " + std::string(text_of(problem))};
    groups_.front().recipients.push_back(std::move(r));
  }

  // Whatever a message carries goes with each of its parts, but for its content, and for what it
  // takes the place of in the store.
  void divide(const std::function<mail::QueueId()>& next_id) {
    std::string content = std::exchange(message_.content, {});
    message_.recipients.clear();
    for (Group& group : groups_) {
      if (group.recipients.empty()) continue;
      bool first = out_.messages.empty();
      NewMessage part = message_;
      part.recipients = std::move(group.recipients);
      if (first) {
        part.content = std::exchange(content, {});
      } else {
        part.judged.reset();
        part.info.id = next_id();
        part.part_of = message_.info.id;
      }
      if (!group.owner.is_null()) part.info.envelope.reverse_path = group.owner;
      if (!group.owner.is_null() && !group.forwarded) {
        part.info.envelope.envid.clear();
        part.info.envelope.ret = mail::DsnReturn::unspecified;
      }
      if (part.info.envelope.reverse_path != given_sender_)
        part.given_sender = given_sender_.text();
      part.srs = group.forwarded && !group.owner.is_null();
      out_.messages.push_back(std::move(part));
    }
  }

  NewMessage message_;
  const rewrite::Rewriter& rewriter_;
  ForwardingNow forwarding_;
  std::optional<ForwardedSender> forwarded_;  // once it is of interest
  bool null_sender_ = false;
  bool local_ = false;  // of a program of this machine
  mail::Address given_sender_;
  mail::Address sender_;  // in its canonical form
  std::size_t count_ = 0;
  std::vector<Copy> copies_;
  std::unordered_set<std::string> copied_;
  std::vector<Group> groups_;
  std::map<std::string, std::size_t> by_owner_;
  ExpandedMail out_;
};

}  // namespace

void unite_equal(std::vector<NewRecipient>& recipients) {
  if (recipients.size() < 2) return;
  std::unordered_map<std::string, std::size_t> places;
  std::vector<NewRecipient> out;
  out.reserve(recipients.size());
  for (NewRecipient& r : recipients) {
    auto [known, is_new] = places.try_emplace(exact_key_of(r.recipient.address), out.size());
    if (is_new)
      out.push_back(std::move(r));
    else
      merge(out[known->second].recipient.notify, r.recipient.notify);
  }
  recipients = std::move(out);
}

ExpandedMail expand(NewMessage message, const rewrite::Rewriter& rewriter,
                    const std::function<mail::QueueId()>& next_id,
                    const ForwardingNow& forwarding) {
  unite_equal(message.recipients);
  return Expander(std::move(message), rewriter, forwarding).run(next_id);
}

std::vector<mail::Address> readers_of(const mail::Address& address,
                                      const rewrite::Rewriter& rewriter) {
  rewrite::Expansion found = rewriter.expand(address);
  if (found.problem != rewrite::Problem::none) return {address};
  std::vector<mail::Address> out;
  for (rewrite::Target& target : found.targets)
    if (!target.discard) out.push_back(std::move(target.address));
  return out;
}

}  // namespace postwain::qmgr
