#include "qmgr/scheduling/suspects.h"

#include <algorithm>
#include <functional>
#include <set>

namespace postwain::qmgr {

namespace {

// The others wait so long for a trial's end; a longer one gets company.
constexpr Duration kTrialTimeout = std::chrono::minutes(2);

std::uint32_t mark_of_text(std::string_view text) {
  auto hash = std::hash<std::string_view>()(text);
  auto mark = static_cast<std::uint32_t>(hash ^ (hash >> 32U));
  return mark != 0 ? mark : 1;  // 0: nobody in particular
}

// The value that stands there most often, and is somebody's.
template <class Value>
std::uint32_t most_frequent(const std::deque<Value>& all, std::uint32_t Marks::*member) {
  std::uint32_t best = 0;
  std::size_t best_count = 0;
  for (const Value& one : all) {
    std::uint32_t mark = one.marks.*member;
    if (!one.counts || mark == 0 || mark == best) continue;
    auto count =
        static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const Value& o) {
          return o.counts && o.marks.*member == mark;
        }));
    if (count > best_count) {
      best = mark;
      best_count = count;
    }
  }
  return best;
}

}  // namespace

std::string_view name_of(Suspects::Kind kind) {
  switch (kind) {
    case Suspects::Kind::pair:
      return "this sender to this recipient";
    case Suspects::Kind::sender:
      return "this sender";
    case Suspects::Kind::recipient:
      return "this recipient";
    case Suspects::Kind::domain:
      return "this sender's domain";
  }
  return "?";
}

std::uint32_t mark_of(const mail::Address& address) {
  return mark_of_text(address.text());
}

Marks marks_of(const mail::Address& sender) {
  return {mark_of_text(sender.text()), mark_of_text(sender.domain()), 0};
}

bool Suspects::matches(Kind kind, const Marks& whose, const Marks& marks) {
  bool sender = whose.sender == marks.sender;
  bool recipient = whose.recipient == marks.recipient && marks.recipient != 0;
  switch (kind) {
    case Kind::pair:
      return sender && recipient;
    case Kind::sender:
      return sender;
    case Kind::recipient:
      return recipient;
    case Kind::domain:
      return whose.domain == marks.domain && marks.domain != 0;
  }
  return false;
}

Duration Suspects::length(std::uint32_t opens, const Steps& steps) {
  auto step = static_cast<double>(steps.steps.first.count());
  for (std::uint32_t i = 0; i < std::min<std::uint32_t>(opens, 16); ++i) step *= 2;
  step = std::min(step, static_cast<double>(steps.steps.last.count())) * (0.9 + 0.2 * steps.unit);
  Duration hold(static_cast<std::int64_t>(step));
  if (!steps.retry.empty())
    hold = std::min(hold, steps.retry[std::min<std::size_t>(opens, steps.retry.size() - 1)]);
  return hold;
}

void Suspects::forget_old(WallTime now) {
  while (!breaks_.empty() &&
         (breaks_.size() > kBreaksKept || breaks_.front().at + kBreakKept < now))
    breaks_.pop_front();
  held_.erase(std::remove_if(held_.begin(), held_.end(),
                             [now](const Held& h) { return h.until + kBreakKept < now; }),
              held_.end());
}

bool Suspects::broke_off(mail::QueueId message, const Marks& marks, std::string_view reason,
                         WallTime now, const Steps& steps) {
  forget_old(now);
  bool known = false;
  for (Held& h : held_) {
    if (!matches(h.kind, h.marks, marks)) continue;
    known = true;
    // Attempts that began before the hold tell nothing new.
    if (now < h.until && h.trial != message) continue;
    h.until = now + length(h.opens, steps);
    ++h.opens;
    h.trial = {};
    h.reason = reason.substr(0, kSuspectReasonMax);
    news_ = News{h.kind, h.until};
  }
  if (known) return false;
  breaks_.push_back({message, marks, now});
  if (breaks_.size() > kBreaksKept) breaks_.pop_front();
  if (find_suspect(Break(breaks_.back()), reason, now, steps)) return false;
  return is_spread();
}

// From the narrowest to the widest: whom does what was seen follow?
bool Suspects::find_suspect(const Break& last, std::string_view reason, WallTime now,
                            const Steps& steps) {
  if (held_.size() >= kSuspectsHeldMax) return false;
  for (Kind kind : {Kind::pair, Kind::sender, Kind::recipient, Kind::domain}) {
    std::set<std::uint64_t> messages;
    std::set<std::uint32_t> senders;
    std::set<std::uint32_t> recipients;
    for (const Break& b : breaks_) {
      if (!matches(kind, last.marks, b.marks)) continue;
      messages.insert(b.message.value);
      senders.insert(b.marks.sender);
      recipients.insert(b.marks.recipient);
    }
    if (messages.size() < kSuspectMessages) continue;
    if (kind == Kind::sender && recipients.size() < 2 && last.marks.recipient != 0) continue;
    if (kind == Kind::recipient && senders.size() < 2) continue;
    if (kind == Kind::domain && (senders.size() < 3 || recipients.size() < 2)) continue;
    held_.push_back({kind,
                     last.marks,
                     1,
                     now + length(0, steps),
                     {},
                     std::string(reason.substr(0, kSuspectReasonMax))});
    news_ = News{kind, held_.back().until};
    breaks_.erase(
        std::remove_if(breaks_.begin(), breaks_.end(),
                       [&](const Break& b) { return matches(kind, last.marks, b.marks); }),
        breaks_.end());
    return true;
  }
  return false;
}

bool Suspects::is_spread() const {
  std::uint32_t domain = most_frequent(breaks_, &Marks::domain);
  std::uint32_t recipient = most_frequent(breaks_, &Marks::recipient);
  std::set<std::uint64_t> messages;
  for (const Break& b : breaks_)
    if (b.counts && b.marks.domain != domain && (recipient == 0 || b.marks.recipient != recipient))
      messages.insert(b.message.value);
  return messages.size() >= kCohort;
}

void Suspects::succeeded(const Marks& marks) {
  held_.erase(std::remove_if(held_.begin(), held_.end(),
                             [&](const Held& h) { return matches(h.kind, h.marks, marks); }),
              held_.end());
  breaks_.erase(std::remove_if(breaks_.begin(), breaks_.end(),
                               [&](const Break& b) {
                                 return matches(Kind::sender, b.marks, marks) ||
                                        matches(Kind::recipient, b.marks, marks);
                               }),
                breaks_.end());
  for (Break& b : breaks_) {
    b.counts = false;
    if (b.marks.domain == marks.domain) b.marks.domain = 0;
  }
}

void Suspects::undecided(mail::QueueId message, WallTime now) {
  for (Held& h : held_) {
    if (h.trial != message) continue;
    h.trial = {};
    h.until = now;
  }
}

std::optional<Suspects::Hold> Suspects::hold(mail::QueueId message, const Marks& marks,
                                             WallTime now, const Steps& steps) {
  std::optional<Hold> longest;
  for (const Held& h : held_)
    if (matches(h.kind, h.marks, marks) && now < h.until && (!longest || longest->until < h.until))
      longest = Hold{h.until, h.reason};
  if (longest) return longest;
  for (Held& h : held_) {
    if (!matches(h.kind, h.marks, marks)) continue;
    h.trial = message;
    h.until = now + std::min(length(h.opens, steps), kTrialTimeout);
  }
  return std::nullopt;
}

unsigned Suspects::weight(mail::QueueId message, const Marks& marks) const {
  unsigned sum = 0;
  for (const Held& h : held_)
    if (matches(h.kind, h.marks, marks)) sum += 8;
  for (const Break& b : breaks_) {
    if (b.message == message) ++sum;
    if (matches(Kind::sender, b.marks, marks)) sum += 2;
    if (matches(Kind::recipient, b.marks, marks)) sum += 2;
    if (matches(Kind::domain, b.marks, marks)) ++sum;
  }
  return sum;
}

}  // namespace postwain::qmgr
