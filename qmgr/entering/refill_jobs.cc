#include "qmgr/entering/refill_jobs.h"

#include <algorithm>

namespace postwain::qmgr {

StoreResult<RefillRead> read_refill(QueueStore& store, const Refill& refill, WallTime now,
                                    const std::vector<OverflowList::Entry>& waiting) {
  StoreResult<DuePage> page = store.waiting().due(refill.key, now, refill.limit, refill.after);
  if (!page) return page.error();
  RefillRead out{page.take(), {}, {}, false};
  std::size_t recipients = out.page.rows.size();
  for (const OverflowList::Entry& entry : waiting) {
    if (recipients >= refill.limit) {
      out.unread.push_back(entry);
      continue;
    }
    StoreResult<std::optional<QueueReader::Compact>> compact = QueueReader(store).compact(entry.id);
    if (!compact && compact.error().kind != StoreError::Kind::refused) return compact.error();
    if (!compact || !*compact) {
      out.normalised = true;
      continue;
    }
    recipients += entry.recipients;
    out.compact.push_back(std::move(**compact));
  }
  return out;
}

RefillJobs::RefillJobs(RefillRead& read, const std::string& destination)
    : rows_(read.page.rows), due_rows_(read.page.rows.size()) {
  for (const MessageInfo& info : read.page.messages) infos_.emplace(info.id, &info);
  for (QueueReader::Compact& one : read.compact) {
    compact_.emplace(one.message.info.id, &one);
    infos_.emplace(one.message.info.id, &one.message.info);
    for (StoredRecipient& r : one.message.recipients)
      if (r.destination == destination) rows_.push_back({one.message.info.id, std::move(r)});
  }
}

std::vector<RefillJobs::Row> RefillJobs::rows() {
  std::vector<Row> out;
  out.reserve(rows_.size());
  for (std::size_t place = 0; place < rows_.size(); ++place) {
    DuePage::Row& row = rows_[place];
    auto info = infos_.find(row.message);
    if (info == infos_.end()) continue;
    auto compact = compact_.find(row.message);
    out.push_back({place, info->second, &row.recipient,
                   compact != compact_.end() ? compact->second : nullptr});
  }
  return out;
}

void RefillJobs::add(const Row& row, DestinationId destination, Company company,
                     std::uint32_t most) {
  auto [at, is_new] = open_.try_emplace({row.info->id, destination, company}, groups_.size());
  bool is_full = !is_new && (company == Company::alone || groups_[at->second].rows.size() >= most);
  if (is_full) at->second = groups_.size();
  if (is_new || is_full)
    groups_.push_back({row.info, destination, {}, row.place, company, 0, row.compact});
  groups_[at->second].rows.push_back(row.recipient);
  ++remaining_[{row.info->id, destination}];
}

std::vector<RefillGroup> RefillJobs::take_groups() {
  cut_groups();
  for (RefillGroup& group : groups_) {
    group.remaining = remaining_[{group.info->id, group.destination}];
    std::sort(
        group.rows.begin(), group.rows.end(),
        [](const StoredRecipient* a, const StoredRecipient* b) { return a->index < b->index; });
  }
  return std::move(groups_);
}

// A group that broke off at somebody goes on in parts, smaller ones each time, so that after a few
// attempts whoever can be reached is.
void RefillJobs::cut_groups() {
  std::size_t count = groups_.size();
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t attempts = 0;
    for (const StoredRecipient* r : groups_[i].rows) attempts = std::max(attempts, r->attempts);
    std::size_t parts = std::min(parts_of(groups_[i].company, attempts), groups_[i].rows.size());
    if (parts < 2) continue;
    std::vector<StoredRecipient*> all = std::move(groups_[i].rows);
    for (std::size_t part = 0; part < parts; ++part) {
      auto from = all.begin() + static_cast<std::ptrdiff_t>(all.size() * part / parts);
      auto to = all.begin() + static_cast<std::ptrdiff_t>(all.size() * (part + 1) / parts);
      if (part > 0) groups_.push_back(groups_[i]);
      (part > 0 ? groups_.back() : groups_[i]).rows.assign(from, to);
    }
  }
}

StoreCursor RefillJobs::cursor_after(std::size_t taken) const {
  const DuePage::Row& last = rows_[taken - 1];
  return {last.recipient.next_attempt_at, last.message, last.recipient.index};
}

}  // namespace postwain::qmgr
