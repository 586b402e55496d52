// The batch as a whole, and compact messages that become rows.
#include "qmgr/store/writing/batch_writer.h"

#include <iterator>
#include <utility>

#include "common/log/log.h"

#include "qmgr/store/compact_record.h"

namespace postwain::qmgr {

namespace {

template <class T>
void move_front(std::vector<T>& from, std::size_t count, std::vector<T>& to) {
  auto end = from.begin() + static_cast<std::ptrdiff_t>(std::min(count, from.size()));
  std::move(from.begin(), end, std::back_inserter(to));
  from.erase(from.begin(), end);
}

// How often a transaction is tried in all, where the store says that the same once more may work:
// it collided with another one, or its session was lost.
constexpr int kTransactionTries = 4;

// Its first half: settlements before facts before new messages, as they are written.
Batch take_half(Batch& batch) {
  std::size_t left = batch.size() / 2;
  Batch half;
  auto take = [&](auto& from, auto& to) {
    std::size_t count = std::min(left, from.size());
    move_front(from, count, to);
    left -= count;
  };
  take(batch.settles, half.settles);
  take(batch.facts, half.facts);
  take(batch.accepts, half.accepts);
  return half;
}

void append(Batch& batch, Batch& to) {
  move_front(batch.settles, batch.settles.size(), to.settles);
  move_front(batch.facts, batch.facts.size(), to.facts);
  move_front(batch.accepts, batch.accepts.size(), to.accepts);
}

// The one request of the batch, which the store refuses.
void answer_refused(Batch& batch, const StoreError& error) {
  for (auto& request : batch.settles) {
    request->settled = {};
    request->error = error.text;
  }
  for (auto& request : batch.accepts) {
    request->end = AcceptEnd::failed;
    request->error = error.text;
  }
  if (!batch.facts.empty()) log::Line(log::Level::warning, "fact_refused").kv("error", error.text);
}

}  // namespace

StoreStatus BatchWriter::write(Batch& batch, Batch& written) {
  StoreStatus done = write_with_retries(batch);
  bool refused = !done && done.error().kind == StoreError::Kind::refused;
  if (!done && !refused) return done;
  if (refused && batch.size() > 1) {
    Batch half = take_half(batch);
    StoreStatus first = write(half, written);
    if (first) return write(batch, written);
    append(batch, half);
    batch = std::move(half);
    return first;
  }
  if (refused) answer_refused(batch, done.error());
  append(batch, written);
  return {};
}

// After a failure the transaction has been rolled back.
StoreStatus BatchWriter::write_with_retries(Batch& batch) {
  StoreStatus done;
  for (int i = 0; i < kTransactionTries; ++i) {
    done = write_all(batch);
    if (done) return done;
    store_.roll_back();
    if (done.error().kind != StoreError::Kind::again) return done;
  }
  return StoreError{StoreError::Kind::away, done.error().text};
}

StoreStatus BatchWriter::write_all(Batch& batch) {
  using Clock = std::chrono::steady_clock;
  if (StoreStatus s = store_.begin(); !s) return s;
  if (StoreStatus s = apply(batch); !s) return s;
  if (!batch.accepts.empty())
    if (StoreStatus s = store_failpoint(Failpoint::accept_commit); !s) return s;
  if (!batch.settles.empty())
    if (StoreStatus s = store_failpoint(Failpoint::outcome_commit); !s) return s;
  auto began = Clock::now();
  StoreStatus committed = store_.commit();
  if (committed)
    commit_took_ = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began);
  return committed;
}

StoreStatus BatchWriter::apply(Batch& batch) {
  // An attempt whose agent went at once may be named and settled here: in that order.
  if (StoreStatus s = put_attempts(batch.facts); !s) return s;
  if (StoreStatus s = settle(batch.settles); !s) return s;
  if (StoreStatus s = put(batch.facts); !s) return s;
  return accept(batch.accepts);
}

StoreStatus BatchWriter::put(std::span<const FactRequest> facts) {
  std::vector<DestinationFact> of_destinations;
  std::vector<RecipientFact> of_recipients;
  std::vector<ClockFact> of_clock;
  std::vector<WaitingFact> of_waiting;
  struct {
    std::vector<DestinationFact>& destinations;
    std::vector<RecipientFact>& recipients;
    std::vector<ClockFact>& clock;
    std::vector<WaitingFact>& waiting;
    void operator()(const DestinationFact& fact) { destinations.push_back(fact); }
    void operator()(const RecipientFact& fact) { recipients.push_back(fact); }
    void operator()(const ClockFact& fact) { clock.push_back(fact); }
    void operator()(const WaitingFact& fact) { waiting.push_back(fact); }
    void operator()(const AttemptFact&) {}  // put_attempts()
  } sort{of_destinations, of_recipients, of_clock, of_waiting};
  for (const FactRequest& request : facts) std::visit(sort, request.fact);
  StoreStatus done;
  if (!of_destinations.empty() || !of_recipients.empty())
    done = store_failpoint(Failpoint::fact_write);
  if (done && !of_destinations.empty()) done = store_.destinations().write(of_destinations);
  if (done && !of_recipients.empty()) done = store_.recipient_checks().write(of_recipients);
  if (done && !of_clock.empty()) done = store_.clock().write(of_clock);
  if (done && !of_waiting.empty()) done = store_.waiting().write(of_waiting);
  return done;
}

StoreStatus BatchWriter::put_attempts(std::span<const FactRequest> facts) {
  if (store_.attempts() == nullptr) return {};
  std::vector<AttemptFact> of_attempts;
  for (const FactRequest& request : facts)
    if (const auto* one = std::get_if<AttemptFact>(&request.fact)) of_attempts.push_back(*one);
  return of_attempts.empty() ? StoreStatus() : store_.attempts()->write(of_attempts);
}

// --- compact messages become rows -------------------------------------------------------------

StoreStatus BatchWriter::normalise(std::span<const mail::QueueId> ids, WallTime due_at_latest) {
  auto values = store_.compact().values(ids);
  if (!values) return values.error();
  std::vector<CompactRecord> records;
  std::vector<mail::QueueId> found;
  records.reserve(values->size());
  std::vector<MessageRows::Insert> rows;
  for (const std::optional<CompactMessages::Value>& value : *values) {
    if (!value) continue;
    std::optional<CompactRecord> record = decode_compact(value->id, value->data);
    if (!record)
      return StoreError{StoreError::Kind::refused,
                        "the compact record of " + value->id.text() + " cannot be read"};
    records.push_back(*std::move(record));
    found.push_back(value->id);
    const CompactRecord& one = records.back();
    rows.push_back({&one.message, std::min(one.due, due_at_latest), one.content, value->rest});
  }
  if (found.empty()) return {};
  if (StoreStatus s = store_.compact().remove(found); !s) return s;
  auto inserted = store_.rows().insert(rows);
  return inserted ? StoreStatus{} : inserted.error();
}

StoreStatus BatchWriter::normalise_all() {
  constexpr std::size_t kAtOnce = 500;
  for (mail::QueueId after;;) {
    auto page = store_.compact().page(after, mail::QueueId{INT64_MAX}, kAtOnce);
    if (!page) return page.error();
    std::vector<mail::QueueId> ids;
    for (const CompactMessages::Value& value : page->values) {
      after = value.id;
      if (decode_compact(value.id, value.data)) ids.push_back(value.id);
    }
    if (!ids.empty()) {
      StoreStatus done = store_.begin();
      if (done) done = normalise(ids, WallTime::max());
      if (done) done = store_.commit();
      if (!done) {
        store_.roll_back();
        return done;
      }
    }
    if (page->end) return {};
  }
}

}  // namespace postwain::qmgr
