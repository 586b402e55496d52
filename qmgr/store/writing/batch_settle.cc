// What became of recipients, and the notices that tell of it.
#include <algorithm>
#include <map>

#include "qmgr/store/compact_record.h"
#include "qmgr/store/queue_reader.h"
#include "qmgr/store/writing/batch_writer.h"
#include "qmgr/store/writing/notice_writer.h"

namespace postwain::qmgr {

// One request on its way: first it is tried as the usual end of a whole message, then on the
// message's compact record, then on its rows.
struct BatchWriter::Settling {
  SettleRequest* request = nullptr;
  bool done = false;

  const Settlement& settlement() const { return request->settlement; }
  Settled& settled() const { return request->settled; }
};

namespace {

bool only_removes(const Settlement& settlement) {
  return settlement.notices.empty() &&
         std::all_of(settlement.changes.begin(), settlement.changes.end(),
                     [](const RecipientChange& c) { return c.kind == ChangeKind::remove; });
}

// It leaves a compact record compact.
bool keeps_compact(const Settlement& settlement) {
  return only_removes(settlement) && !settlement.normalise_due;
}

struct Range {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
};

// Of the changes, when they are all there are between the lowest and the highest: so many different
// numbers between these two are all of them.
std::optional<Range> whole_range(const Settlement& settlement) {
  if (!settlement.maybe_all || settlement.changes.empty() || !only_removes(settlement))
    return std::nullopt;
  Range range{settlement.changes.front().index, settlement.changes.front().index};
  for (const RecipientChange& change : settlement.changes) {
    range.first = std::min(range.first, change.index);
    range.last = std::max(range.last, change.index);
  }
  if (std::size_t{range.last - range.first} + 1 != settlement.changes.size()) return std::nullopt;
  return range;
}

}  // namespace

StoreStatus BatchWriter::settle(std::span<const std::unique_ptr<SettleRequest>> requests) {
  std::vector<Settling> open;
  open.reserve(requests.size());
  for (const auto& request : requests) {
    request->settled = {};
    request->settled.id = request->settlement.id;
    open.push_back({request.get()});
  }
  using Step = StoreStatus (BatchWriter::*)(std::vector<Settling>&);
  for (Step step :
       {&BatchWriter::settle_whole, &BatchWriter::settle_compact, &BatchWriter::make_rows,
        &BatchWriter::change_rows, &BatchWriter::write_notices, &BatchWriter::remove_empty}) {
    if (open.empty()) break;
    if (StoreStatus s = (this->*step)(open); !s) return s;
    std::erase_if(open, [](const Settling& one) { return one.done; });
  }
  return remove_pieces(requests);
}

// The usual end of a message: with it go its content and its recipients. It stays open when it has
// others than those, or not all of those.
StoreStatus BatchWriter::settle_whole(std::vector<Settling>& open) {
  std::vector<CompactMessages::Whole> compact;
  std::vector<Settling*> of_compact;
  std::vector<MessageRows::Whole> rows;
  std::vector<Settling*> of_rows;
  auto try_rows = [&](Settling& one, Range range) {
    rows.push_back({one.settlement().id, one.settlement().changes.size(), range.first, range.last});
    of_rows.push_back(&one);
  };
  for (Settling& one : open) {
    std::optional<Range> range = whole_range(one.settlement());
    if (!range) continue;
    if (StoreStatus s = store_failpoint(Failpoint::outcome_write); !s) return s;
    if (one.settlement().is_compact && range->first == 0) {
      compact.push_back({one.settlement().id, range->last + 1});
      of_compact.push_back(&one);
    } else {
      try_rows(one, *range);
    }
  }
  auto finish = [](Settling& one) {
    one.done = true;
    Settled& settled = one.settled();
    for (const RecipientChange& change : one.settlement().changes)
      settled.changed.push_back(change.index);
    settled.message_removed = true;
    settled.content_file_removed = one.settlement().in_file;
  };
  if (!compact.empty()) {
    auto removed = store_.compact().remove_whole(compact);
    if (!removed) return removed.error();
    for (std::size_t i = 0; i < of_compact.size(); ++i) {
      if ((*removed)[i])
        finish(*of_compact[i]);
      else
        try_rows(*of_compact[i], {0, compact[i].recipients - 1});
    }
  }
  if (rows.empty()) return {};
  auto removed = store_.rows().remove_whole(rows);
  if (!removed) return removed.error();
  for (std::size_t i = 0; i < of_rows.size(); ++i)
    if ((*removed)[i]) finish(*of_rows[i]);
  return {};
}

// Deliveries to some recipients of compact messages. A message that something else of this batch
// makes rows is left to that.
StoreStatus BatchWriter::settle_compact(std::vector<Settling>& open) {
  std::map<mail::QueueId, std::vector<Settling*>> by_id;
  for (Settling& one : open)
    if (keeps_compact(one.settlement())) by_id[one.settlement().id].push_back(&one);
  for (Settling& one : open)
    if (!keeps_compact(one.settlement())) by_id.erase(one.settlement().id);
  if (by_id.empty()) return {};
  std::vector<mail::QueueId> ids;
  for (const auto& [id, all] : by_id) ids.push_back(id);
  auto rests = store_.compact().rests(ids);
  if (!rests) return rests.error();
  std::vector<CompactMessages::NewRest> changed;
  std::vector<mail::QueueId> ended;
  EndAttempts over;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!(*rests)[i]) continue;
    std::string rest((*rests)[i]->recipients, '1');
    const std::string& before = (*rests)[i]->rest;
    std::copy_n(before.begin(), std::min(before.size(), rest.size()), rest.begin());
    bool any = false;
    Settling* last = nullptr;
    for (Settling* one : by_id[ids[i]]) {
      one->done = true;
      for (const RecipientChange& change : one->settlement().changes) {
        if (StoreStatus s = store_failpoint(Failpoint::outcome_write); !s) return s;
        if (change.index >= rest.size() || rest[change.index] == '0') continue;
        rest[change.index] = '0';
        one->settled().changed.push_back(change.index);
        any = true;
        last = one;
      }
    }
    if (!any) continue;
    if (rest.find('1') != std::string::npos) {
      changed.push_back({ids[i], std::move(rest)});
      continue;
    }
    ended.push_back(ids[i]);
    for (Settling* one : by_id[ids[i]])
      for (std::uint32_t index : one->settled().changed) over.names.push_back({ids[i], index});
    last->settled().message_removed = true;
    last->settled().content_file_removed = last->settlement().in_file;
  }
  if (!ended.empty())
    if (StoreStatus s = remove_ended(ended, std::move(over)); !s) return s;
  if (changed.empty()) return {};
  return store_.compact().put_rests(changed);
}

// That a compact value goes says nothing of its recipients: it may have become rows.
StoreStatus BatchWriter::remove_ended(std::span<const mail::QueueId> ids, EndAttempts attempts) {
  const AttemptFact over = std::move(attempts);
  if (store_.attempts() != nullptr)
    if (StoreStatus s = store_.attempts()->write({&over, 1}); !s) return s;
  return store_.compact().remove(ids);
}

StoreStatus BatchWriter::make_rows(std::vector<Settling>& open) {
  std::map<WallTime, std::vector<mail::QueueId>> by_due;
  for (const Settling& one : open)
    if (!keeps_compact(one.settlement()))
      by_due[one.settlement().normalise_due.value_or(WallTime::max())].push_back(
          one.settlement().id);
  for (auto& [due, ids] : by_due) {
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    if (StoreStatus s = normalise(ids, due); !s) return s;
  }
  return {};
}

StoreStatus BatchWriter::change_rows(std::vector<Settling>& open) {
  std::vector<MessageRows::Change> changes;
  for (const Settling& one : open)
    for (const RecipientChange& change : one.settlement().changes) {
      if (StoreStatus s = store_failpoint(Failpoint::outcome_write); !s) return s;
      changes.push_back({one.settlement().id, &change});
    }
  if (changes.empty()) return {};
  auto found = store_.rows().change(changes);
  if (!found) return found.error();
  std::size_t at = 0;
  for (const Settling& one : open)
    for (const RecipientChange& change : one.settlement().changes)
      if ((*found)[at++]) one.settled().changed.push_back(change.index);
  return {};
}

StoreStatus BatchWriter::write_notices(std::vector<Settling>& open) {
  std::vector<Settling*> tellers;
  std::vector<mail::QueueId> ids;
  for (Settling& one : open) {
    if (one.settlement().notices.empty() || one.settled().changed.empty()) continue;
    tellers.push_back(&one);
    ids.push_back(one.settlement().id);
  }
  if (ids.empty()) return {};
  auto originals = store_.rows().infos(ids);
  if (!originals) return originals.error();
  for (std::size_t i = 0; i < tellers.size(); ++i) {
    if (!(*originals)[i])
      return StoreError{StoreError::Kind::refused,
                        "the row of " + ids[i].text() + " cannot be read"};
    Settled& settled = tellers[i]->settled();
    if (StoreStatus s = add_notices(tellers[i]->settlement().notices, *(*originals)[i],
                                    settled.changed, settled.notices);
        !s)
      return s;
  }
  return {};
}

// Builds and stores the notices about one message.
StoreStatus BatchWriter::add_notices(const std::vector<NoticeOrder>& orders,
                                     const MessageInfo& original,
                                     std::span<const std::uint32_t> changed,
                                     std::vector<NewMessage>& written) {
  std::size_t first = written.size();
  for (NoticeOrder order : orders) {
    if (!keep_changed(order, changed)) continue;
    std::size_t wanted = notice::bytes_wanted(order.request);
    StoreResult<std::string> start = start_of(original, wanted);
    if (!start) return start.error();
    if (StoreStatus s = store_failpoint(Failpoint::bounce_insert); !s) return s;
    written.push_back(write_notice(order, *start));
  }
  return insert_own(std::span(written).subspan(first));
}

// The beginning of a content, whichever form it has (MessageInfo). What cannot be read is not
// there; a body is not, either, where the header section before it is lost.
StoreResult<std::string> BatchWriter::start_of(const MessageInfo& original, std::size_t wanted) {
  std::string start;
  if (original.has_stored_content()) {
    auto stored = QueueReader(store_).content(original.id, 0, wanted);
    if (!stored) return stored.error();
    if (*stored) start = std::move(**stored);
  }
  bool goes_on_in_file = original.in_file && start.size() == original.stored_size();
  if (!goes_on_in_file || start.size() >= wanted) return start;
  if (ContentPieces* pieces = store_.pieces()) {
    auto body = pieces->start(original.id, wanted - start.size());
    if (!body) return body.error();
    return start + *body;
  }
  if (read_file_) start += read_file_(original.id, wanted - start.size());
  return start;
}

StoreStatus BatchWriter::remove_empty(std::vector<Settling>& open) {
  std::map<mail::QueueId, Settling*> last;  // that took a recipient away
  for (Settling& one : open) {
    const Settlement& settlement = one.settlement();
    bool removes = std::any_of(
        settlement.changes.begin(), settlement.changes.end(), [&](const RecipientChange& change) {
          const std::vector<std::uint32_t>& changed = one.settled().changed;
          return change.kind == ChangeKind::remove &&
                 std::find(changed.begin(), changed.end(), change.index) != changed.end();
        });
    if (removes) last[settlement.id] = &one;
  }
  if (last.empty()) return {};
  std::vector<mail::QueueId> ids;
  for (const auto& [id, one] : last) ids.push_back(id);
  auto removed = store_.rows().remove_empty(ids);
  if (!removed) return removed.error();
  auto answer = removed->begin();
  for (const auto& [id, one] : last) {
    one->settled().message_removed = answer->removed;
    one->settled().content_file_removed = answer->removed && answer->in_file;
    ++answer;
  }
  return {};
}

}  // namespace postwain::qmgr
