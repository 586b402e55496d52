#include "qmgr/moving/move_queue.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"

#include "qmgr/moving/row_message.h"
#include "qmgr/store/compact_record.h"
#include "qmgr/store/piece_files.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kMessagesOfOnePart = 200;
constexpr std::size_t kOctetsOfOnePart = 8U << 20;
constexpr std::size_t kRecipientsOfOnePart = 2000;
constexpr std::size_t kFactsOfOnePart = 500;
const mail::QueueId kLastId{~std::uint64_t{0} >> 1};

StoreError cannot_move(mail::QueueId id, std::string_view why) {
  return {StoreError::Kind::refused, fmt::format("{}: {}", id.text(), why)};
}

class Mover {
 public:
  Mover(QueuePlace from, QueuePlace to) : from_(std::move(from)), to_(std::move(to)) {}

  StoreResult<MovedQueue> run() {
    if (StoreStatus s = move_clock(); !s) return s.error();
    if (StoreStatus s = move_facts(); !s) return s.error();
    if (StoreStatus s = move_compact(); !s) return s.error();
    if (StoreStatus s = move_rows(); !s) return s.error();
    return moved_;
  }

 private:
  // --- messages that are one value each -------------------------------------------------------

  StoreStatus move_compact() {
    for (mail::QueueId after;;) {
      auto page = from_.store.compact().page(after, kLastId, kMessagesOfOnePart);
      if (!page) return page.error();
      if (page->values.empty()) return {};
      if (StoreStatus s = move_values(page->values); !s) return s;
      after = page->values.back().id;
      if (page->end) return {};
    }
  }

  StoreStatus move_values(const std::vector<CompactMessages::Value>& values) {
    std::vector<CompactMessages::Insert> inserts;
    std::vector<CompactMessages::NewRest> rests;
    std::vector<mail::QueueId> ids;
    std::vector<MessageInfo> in_files;
    std::uint64_t recipients = 0;
    for (const CompactMessages::Value& value : values) {
      auto record = decode_compact(value.id, value.data);
      if (!record) return cannot_move(value.id, "it is damaged (postwain queue recover)");
      // An older program had wider bounds.
      if (!fits_one_value(record->message, record->content))
        return cannot_move(value.id, "one of its values is too long for the other store");
      const MessageInfo& info = record->message.info;
      if (StoreStatus s = copy_body(info); !s) return s;
      std::size_t count = record->message.recipients.size();
      inserts.push_back({value.id, static_cast<std::uint32_t>(count), value.data});
      if (!value.rest.empty()) rests.push_back({value.id, value.rest});
      ids.push_back(value.id);
      if (info.in_file) in_files.push_back(info);
      for (std::size_t i = 0; i < count; ++i) recipients += is_left(value.rest, i) ? 1 : 0;
    }
    if (StoreStatus s = sync_files(); !s) return s;
    StoreStatus stored = in_transaction(to_.store, [&]() -> StoreStatus {
      auto flags = to_.store.compact().insert(inserts);
      if (!flags) return flags.error();
      if (StoreStatus s = check_same(values, *flags); !s) return s;
      if (StoreStatus s = check_bodies(in_files); !s) return s;
      return rests.empty() ? StoreStatus() : to_.store.compact().put_rests(rests);
    });
    if (!stored) return stored;
    StoreStatus removed = in_transaction(from_.store, [&] {
      StoreStatus done = from_.store.compact().remove(ids);
      return done ? remove_pieces(in_files) : done;
    });
    if (!removed) return removed;
    remove_files(in_files);
    count(ids.size(), recipients);
    return {};
  }

  // A former run may have ended between the two commits.
  StoreStatus check_same(const std::vector<CompactMessages::Value>& values, const Flags& stored) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (stored[i]) continue;
      mail::QueueId id = values[i].id;
      auto there = to_.store.compact().values({&id, 1});
      if (!there) return there.error();
      if (!there->front() || there->front()->data != values[i].data)
        return cannot_move(id, "another message with this id is there");
    }
    return {};
  }

  // --- messages that are rows -----------------------------------------------------------------

  StoreStatus move_rows() {
    for (mail::QueueId after;;) {
      auto page = from_.store.rows().page(after, kLastId, kMessagesOfOnePart);
      if (!page) return page.error();
      if (page->empty()) return {};
      for (std::span<const MessageInfo> left = *page; !left.empty();) {
        auto part = read_part(left);
        if (!part) return part.error();
        if (StoreStatus s = move_part(*part); !s) return s;
        left = left.subspan(part->size());
      }
      after = page->back().id;
    }
  }

  // As many as one transaction takes: each has two commits that are synced.
  StoreResult<std::vector<RowMessage>> read_part(std::span<const MessageInfo> infos) {
    std::vector<RowMessage> part;
    std::size_t octets = 0;
    std::size_t recipients = 0;
    for (const MessageInfo& info : infos) {
      auto message = read_row_message(from_.store, info);
      if (!message) return message.error();
      octets += message->content.size();
      recipients += message->recipients.size();
      part.push_back(message.take());
      if (octets >= kOctetsOfOnePart || recipients >= kRecipientsOfOnePart) break;
    }
    return part;
  }

  StoreStatus move_part(const std::vector<RowMessage>& part) {
    std::vector<MessageInfo> in_files;
    for (const RowMessage& message : part) {
      if (message.info.in_file) in_files.push_back(message.info);
      if (StoreStatus s = copy_body(message.info); !s) return s;
    }
    if (StoreStatus s = sync_files(); !s) return s;
    StoreStatus stored = in_transaction(to_.store, [&] {
      StoreStatus done = for_each(part, to_.store, write_row_message);
      return done ? check_bodies(in_files) : done;
    });
    if (!stored) return stored;
    StoreStatus removed = in_transaction(from_.store, [&] {
      StoreStatus done = for_each(part, from_.store, remove_row_message);
      return done ? remove_pieces(in_files) : done;
    });
    if (!removed) return removed;
    remove_files(in_files);
    for (const RowMessage& message : part) count(1, message.recipients.size());
    return {};
  }

  static StoreStatus for_each(const std::vector<RowMessage>& part, QueueStore& store,
                              StoreStatus (*work)(QueueStore&, const RowMessage&)) {
    for (const RowMessage& message : part)
      if (StoreStatus s = work(store, message); !s) return s;
    return {};
  }

  // --- contents in files ----------------------------------------------------------------------

  // Into the other folder, and into the other store where that keeps it; before the message.
  StoreStatus copy_body(const MessageInfo& info) {
    if (!info.in_file) return {};
    const std::uint64_t size = info.size_of_file();
    if (out_of_)
      if (Status made = make_file(*out_of_, from_.files, info.id, size); !made)
        return cannot_move(info.id, "its content: " + made.error().text);
    StoreStatus done = link_file(info);
    if (done && into_) done = store_file(*into_, to_.files, info.id, size);
    return done;
  }

  // In the transaction of the messages.
  StoreStatus check_bodies(const std::vector<MessageInfo>& in_files) {
    ContentPieces* pieces = to_.store.pieces();
    if (pieces == nullptr || in_files.empty()) return {};
    std::vector<ContentPieces::Body> bodies;
    for (const MessageInfo& info : in_files) bodies.push_back({info.id, info.size_of_file()});
    auto whole = pieces->whole(bodies);
    if (!whole) return whole.error();
    for (std::size_t i = 0; i < bodies.size(); ++i)
      if (!(*whole)[i]) return cannot_move(bodies[i].id, "the database has lost its content");
    return {};
  }

  StoreStatus remove_pieces(const std::vector<MessageInfo>& in_files) {
    ContentPieces* pieces = from_.store.pieces();
    if (pieces == nullptr || in_files.empty()) return {};
    std::vector<mail::QueueId> ids;
    for (const MessageInfo& info : in_files) ids.push_back(info.id);
    return pieces->remove(ids);
  }

  // The file keeps its name where it was, too, until the message has left that store.
  StoreStatus link_file(const MessageInfo& info) {
    auto file = from_.files.open(info.id, info.size_of_file());
    if (!file) return cannot_move(info.id, "its content: " + file.error().text);
    std::string name = from_.files.file_of(info.id);
    std::string target = to_.files.file_of(info.id);
    linked_ = true;
    if (::link(name.c_str(), target.c_str()) == 0) return {};
    if (errno == EEXIST && to_.files.open(info.id, info.size_of_file())) return {};
    // The folder of one of them may be a link to another disk. What a copy left unfinished goes.
    if (errno != EXDEV && errno != EEXIST)
      return cannot_move(info.id, system_error(target, errno).text);
    (void)::unlink(target.c_str());
    if (auto copied = copy_file(name, target); !copied)
      return cannot_move(info.id, copied.error().text);
    return {};
  }

  void remove_files(const std::vector<MessageInfo>& in_files) {
    for (const MessageInfo& info : in_files) (void)from_.files.remove(info.id);
  }

  StoreStatus sync_files() {
    if (!std::exchange(linked_, false)) return {};
    if (Status s = sync_folder(to_.files.path()); !s)
      return StoreError{StoreError::Kind::broken, s.error().text};
    return {};
  }

  // --- what is known beside mail --------------------------------------------------------------

  // Time that passed unseen does not count for the age of mail, so the mail takes it along.
  StoreStatus move_clock() {
    auto there = to_.store.clock().read();
    if (!there) return there.error();
    auto here = from_.store.clock().read();
    if (!here) return here.error();
    if (here->last_seen == WallTime{}) return {};
    std::vector<ClockGap> gaps = here->gaps;
    for (const ClockGap& gap : there->gaps)
      if (std::none_of(here->gaps.begin(), here->gaps.end(),
                       [&](const ClockGap& one) { return one.at == gap.at; }))
        gaps.push_back(gap);
    std::sort(gaps.begin(), gaps.end(),
              [](const ClockGap& a, const ClockGap& b) { return a.at < b.at; });
    std::vector<ClockFact> facts = {AllClockGaps{std::move(gaps)},
                                    LastSeen{std::max(here->last_seen, there->last_seen)}};
    return in_transaction(to_.store, [&] { return to_.store.clock().write(facts); });
  }

  // A suspension that stayed here would count again once the queue comes back.
  StoreStatus move_facts() {
    DestinationFacts& from = from_.store.destinations();
    StoreStatus done = copy_destinations<OpenBreaker>(
        [&](const std::string& after) { return from.breakers(after, kFactsOfOnePart); },
        [](const OpenBreaker& one) { return RemoveBreaker{one.destination}; });
    if (done)
      done = copy_destinations<Suspension>(
          [&](const std::string& after) { return from.suspensions(after, kFactsOfOnePart); },
          [](const Suspension& one) { return RemoveSuspension{one.destination}; });
    if (done) done = copy_policies();
    if (done) done = copy_checks();
    return done;
  }

  template <class One, class List, class Removal>
  StoreStatus copy_destinations(const List& list, const Removal& removal_of) {
    for (std::string after;;) {
      StoreResult<std::vector<One>> page = list(after);
      if (!page) return page.error();
      if (page->empty()) return {};
      after = page->back().destination;
      std::vector<DestinationFact> facts(page->begin(), page->end());
      if (StoreStatus s = write_facts(to_.store, facts); !s) return s;
      std::vector<DestinationFact> removals;
      for (const One& one : *page) removals.push_back(removal_of(one));
      if (StoreStatus s = write_facts(from_.store, removals); !s) return s;
    }
  }

  static StoreStatus write_facts(QueueStore& store, const std::vector<DestinationFact>& facts) {
    return in_transaction(store, [&] { return store.destinations().write(facts); });
  }

  StoreStatus copy_policies() {
    for (std::string after;;) {
      auto page = from_.store.destinations().sts_policies(after, kFactsOfOnePart);
      if (!page) return page.error();
      if (page->empty()) return {};
      after = page->back().domain;
      if (StoreStatus s = write_facts(to_.store, {page->begin(), page->end()}); !s) return s;
    }
  }

  StoreStatus copy_checks() {
    for (std::string after;;) {
      auto page = from_.store.recipient_checks().list(after, kFactsOfOnePart);
      if (!page) return page.error();
      if (page->empty()) return {};
      after = page->back().address;
      std::vector<RecipientFact> facts(page->begin(), page->end());
      StoreStatus written =
          in_transaction(to_.store, [&] { return to_.store.recipient_checks().write(facts); });
      if (!written) return written;
    }
  }

  // --------------------------------------------------------------------------------------------

  template <class Work>
  static StoreStatus in_transaction(QueueStore& store, const Work& work) {
    StoreStatus done = store.begin();
    if (done) done = work();
    if (done) done = store.commit();
    if (!done) store.roll_back();
    return done;
  }

  void count(std::size_t messages, std::uint64_t recipients) {
    moved_.messages += messages;
    moved_.recipients += recipients;
  }

  QueuePlace from_;
  QueuePlace to_;
  static std::shared_ptr<PieceTransfers> transfers_of(QueueStore& store) {
    return store.pieces() != nullptr ? store.pieces()->transfers() : nullptr;
  }

  // Null where the store has no pieces of bodies.
  std::shared_ptr<PieceTransfers> out_of_ = transfers_of(from_.store);
  std::shared_ptr<PieceTransfers> into_ = transfers_of(to_.store);
  MovedQueue moved_;
  bool linked_ = false;
};

}  // namespace

StoreResult<MovedQueue> move_queue(QueuePlace from, QueuePlace to) {
  return Mover(std::move(from), std::move(to)).run();
}

}  // namespace postwain::qmgr
