// What one refill has read from the store, sorted into groups that are leased together. Pure: who
// belongs to which group is decided by what it is told of each row.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "qmgr/scheduling/overflow_list.h"
#include "qmgr/scheduling/scheduler.h"
#include "qmgr/store/queue_reader.h"
#include "qmgr/verdicts/verdict.h"

namespace postwain::qmgr {

// Rows, and compact records for which there was no place before.
struct RefillRead {
  DuePage page;
  std::vector<QueueReader::Compact> compact;
  std::vector<OverflowList::Entry> unread;
  // Some are rows by now, perhaps where reading has gone past already.
  bool normalised = false;
};

// Where it runs: the store's thread. Rows come first: they are older.
StoreResult<RefillRead> read_refill(QueueStore& store, const Refill& refill, WallTime now,
                                    const std::vector<OverflowList::Entry>& waiting);

// Recipients of one message for one destination, as many as fit into a lease.
struct RefillGroup {
  const MessageInfo* info = nullptr;
  DestinationId destination = 0;
  std::vector<StoredRecipient*> rows{};  // in index order
  std::size_t first = 0;                 // its place among the rows that were read
  Company company = Company::any;
  std::uint32_t remaining = 0;  // of the message at the destination, this group included
  QueueReader::Compact* compact = nullptr;  // not null: the message is a compact record
};

class RefillJobs {
 public:
  // read outlives it. The recipients of compact records join the rows, those of this destination.
  RefillJobs(RefillRead& read, const std::string& destination);

  struct Row {
    std::size_t place;              // among the rows that were read
    const MessageInfo* info;        // of its message
    StoredRecipient* recipient;     // the row itself
    QueueReader::Compact* compact;  // the compact record it came from; null: it is a row
  };
  // Those whose message is known, in their order.
  std::vector<Row> rows();
  // This one is to be leased there. most: recipients of one lease.
  void add(const Row& row, DestinationId destination, Company company, std::uint32_t most);
  // All are added: groups are cut where a part of them broke off attempts (parts_of).
  std::vector<RefillGroup> take_groups();

  std::size_t due_rows() const { return due_rows_; }
  // The cursor after the first `taken` rows, which are at least one.
  StoreCursor cursor_after(std::size_t taken) const;

 private:
  void cut_groups();

  std::vector<DuePage::Row>& rows_;
  std::size_t due_rows_;  // the first ones; those of compact records follow
  std::unordered_map<mail::QueueId, QueueReader::Compact*> compact_;
  std::unordered_map<mail::QueueId, const MessageInfo*> infos_;
  std::vector<RefillGroup> groups_;
  using Key = std::tuple<mail::QueueId, DestinationId, Company>;
  std::map<Key, std::size_t> open_;  // the group that takes more
  std::map<std::pair<mail::QueueId, DestinationId>, std::uint32_t> remaining_;
};

}  // namespace postwain::qmgr
