#include "qmgr/entering/offering.h"

#include <algorithm>

#include "common/log/log.h"

#include "qmgr/model/unjudged.h"

namespace postwain::qmgr {

namespace {

void log_queued(const NewMessage& message) {
  log::Line line(log::Level::info, message.judged ? "judged" : "queued");
  line.kv("id", message.info.id.text())
      .kv("from", message.info.envelope.reverse_path.text())
      .kv("size", message.info.size)
      .kv("recipients", message.recipients.size())
      .kv("class", name_of(message.info.traffic_class));
  if (message.uid) line.kv("uid", *message.uid);
  if (message.part_of.value != 0) line.kv("part_of", message.part_of.text());
}

}  // namespace

void Offering::committed(NewMessage message, WallTime due) {
  count(message);
  core_.ids.pass(message.info.id, core_.clock.wall());
  log_queued(message);
  if (!message.judged)
    core_.recorder.arrived(message);
  else if (message.info.has_stored_content())  // or its Message-ID would be forgotten
    core_.recorder.judged(message);
  if (!message.held_for.empty()) return core_.recorder.held(message, core_.clock.wall());
  if (core_.finishing || message.info.id.is_in(core_.closed_bags)) return;
  if (is_unjudged(message)) return on_unjudged_();
  offer(message, due);
  core_.hooks.on_work();
}

void Offering::count(NewMessage& message) {
  core_.counts.added_message(message.info.id);
  QueueState state = message.held_for.empty() ? QueueState::queued : QueueState::held;
  const NewRecipient* last = nullptr;
  for (NewRecipient& r : message.recipients) {
    bool same = last != nullptr && last->destination == r.destination;
    r.count_key = same ? last->count_key
                       : core_.counts.count_key(r.destination, message.info.traffic_class, state);
    core_.counts.added(message.info.id, r.count_key);
    last = &r;
  }
}

// Recipients of one destination side by side, in their own order.
std::vector<std::uint32_t> Offering::order_of(const NewMessage& message,
                                              const std::vector<std::uint32_t>& decided) const {
  std::vector<std::uint32_t> order(message.recipients.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  if (!decided.empty())
    std::erase_if(order, [&](std::uint32_t i) {
      return std::binary_search(decided.begin(), decided.end(), i);
    });
  if (order.size() > 1)
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return message.recipients[a].destination < message.recipients[b].destination;
    });
  return order;
}

// Of the recipients that one lease takes: the same destination as the first, as many as its route
// allows. A domain that was suspended since they were routed ends it, too.
std::size_t Offering::end_of_lease(const NewMessage& message,
                                   const std::vector<std::uint32_t>& order, std::size_t start,
                                   const Routed& routed) const {
  const std::string& key = message.recipients[order[start]].destination;
  std::size_t end = start + 1;
  while (end < order.size() && end - start < routed.settings->recipients &&
         message.recipients[order[end]].destination == key &&
         (!destinations_.any_split_off() ||
          destinations_
                  .route(message.recipients[order[end]].recipient.address,
                         message.info.envelope.reverse_path, message.info.arrival.client_address)
                  .key == routed.key))
    ++end;
  return end;
}

void Offering::offer(NewMessage& message, WallTime due) {
  WallTime now = core_.clock.wall();
  const std::vector<std::uint32_t> decided = take_decided(message);
  const std::vector<std::uint32_t> order = order_of(message, decided);
  const Marks marks = marks_of(message.info.envelope.reverse_path);
  std::size_t run_end = 0;  // of the recipients that share a destination
  std::size_t run = 0;      // their number
  Refused refused;
  for (std::size_t start = 0, end = 0; start < order.size(); start = end) {
    const std::string& key = message.recipients[order[start]].destination;
    if (start == run_end) {
      while (run_end < order.size() && message.recipients[order[run_end]].destination == key)
        ++run_end;
      run = run_end - start;
    }
    Routed routed = destinations_.route(message.recipients[order[start]].recipient.address,
                                        message.info.envelope.reverse_path,
                                        message.info.arrival.client_address);
    end = end_of_lease(message, order, start, routed);
    auto count = static_cast<std::uint32_t>(end - start);
    DestinationId id = destinations_.number_of(routed);
    Job job{
        message.info.id, message.info.traffic_class, terms_.milestone_of(message.info, false), {}};
    job.remaining = static_cast<std::uint32_t>(run);
    job.recipients.assign(order.begin() + static_cast<std::ptrdiff_t>(start),
                          order.begin() + static_cast<std::ptrdiff_t>(end));
    job.marks = marks;
    if (count == 1)
      job.marks.recipient = mark_of(message.recipients[order[start]].recipient.address);
    core_.scheduler.pin(id, count);
    if (core_.working.has_room() &&
        core_.scheduler.offer(id, job, Scheduler::Source::accepted, now)) {
      take(message, order.data() + start, order.data() + end, id);
      continue;
    }
    // As what it is stored; a reload or a suspension may have come between.
    core_.scheduler.due_at(routed.key == key ? id : destinations_.number_of(key), due, now);
    core_.scheduler.unpin(id, count, now);
    if (!refused.empty() && refused.back().first == key)
      refused.back().second += count;
    else
      refused.emplace_back(key, count);
  }
  if (!decided.empty()) settle_decided_(message.info.id, decided);
  if (message.is_compact) keep_refused(message, std::move(refused), due);
}

void Offering::take(NewMessage& message, const std::uint32_t* begin, const std::uint32_t* end,
                    DestinationId id) {
  WorkingMessage& working = core_.working.get(message.info);
  working.is_compact = message.is_compact;
  if (!message.content.empty()) core_.working.keep_content(working, std::move(message.content));
  for (const std::uint32_t* index = begin; index != end; ++index) {
    WorkingRecipient r;
    r.index = *index;
    r.recipient = std::move(message.recipients[*index].recipient);
    r.destination = id;
    r.count_key = message.recipients[*index].count_key;
    core_.working.add(working, std::move(r));
  }
}

// They are in the working set from now on, as if they were being tried: nobody else reads them. A
// store that cannot take their end leaves them ordinary recipients of the route they would have.
std::vector<std::uint32_t> Offering::take_decided(NewMessage& message) {
  std::vector<std::uint32_t> out;
  for (std::size_t i = 0; i < message.recipients.size(); ++i) {
    NewRecipient& from = message.recipients[i];
    if (from.recipient.decided.code == 0) continue;
    WorkingMessage& working = core_.working.get(message.info);
    working.is_compact = message.is_compact;
    WorkingRecipient r;
    r.index = static_cast<std::uint32_t>(i);
    r.recipient = std::move(from.recipient);
    r.destination = destinations_.number_of(from.destination);
    r.phase = RecipientPhase::leased;
    r.leased_at = core_.clock.wall();
    r.count_key = from.count_key;
    core_.scheduler.pin(r.destination, 1);
    core_.working.add(working, std::move(r));
    out.push_back(static_cast<std::uint32_t>(i));
  }
  return out;
}

void Offering::keep_refused(const NewMessage& message, Refused refused, WallTime due) {
  std::vector<std::string> homeless;
  for (auto& [key, recipients] : refused)
    if (!core_.overflow.add(key, {message.info.id, recipients})) homeless.push_back(std::move(key));
  if (!homeless.empty()) put_back_.normalise(message.info.id, std::move(homeless), due);
}

}  // namespace postwain::qmgr
