#include "qmgr/history/block_writer.h"

#include <utility>

#include "common/log/log.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kPiecesOfRound = 4;
constexpr std::size_t kRestorePage = 4000;

// Without most of the refusals, where they are many.
std::string without_floods(const std::string& records) {
  std::string kept;
  RecordReader reader(records);
  ArrivalRecord arrival;
  EventRecord event;
  std::size_t refusals = 0;
  for (;;) {
    RecordReader::Kind kind = reader.next(arrival, event);
    if (kind == RecordReader::Kind::end || kind == RecordReader::Kind::broken) return kept;
    if (kind == RecordReader::Kind::refusal) refusals += reader.octets().size();
    if (kind != RecordReader::Kind::refusal || refusals <= kSharedRefusals)
      kept.append(reader.octets());
  }
}

}  // namespace

void BlockWriter::State::add(std::string_view records) {
  std::lock_guard lock(mutex_);
  if (buffer_.size() + records.size() > kSharedBuffer)
    dropped_ += records.size();
  else
    buffer_.append(records);
}

std::string BlockWriter::State::take() {
  std::lock_guard lock(mutex_);
  return std::exchange(buffer_, {});
}

std::uint64_t BlockWriter::State::take_dropped() {
  std::lock_guard lock(mutex_);
  return std::exchange(dropped_, 0);
}

BlockWriter::BlockWriter(net::Loop& loop, KeeperService& keeper, std::string name, Duration keep)
    : keeper_(keeper),
      keep_(keep),
      work_(std::make_shared<Work>(std::move(name))),
      sweep_at_(mono_now() + kSharedSweepEvery),
      timer_(loop) {
  timer_.repeat(kShareEvery, [this] {
    write();
    look_at_sweep();
  });
}

BlockWriter::~BlockWriter() {
  if (flushed_) flushed_();
}

void BlockWriter::flush(std::function<void()> done) {
  if (flushed_) flushed_();
  flushed_ = std::move(done);
  again_ = writing_;
  write();
}

void BlockWriter::write() {
  if (writing_) return;
  writing_ = true;
  keep_then(
      keeper_,
      [state = state_, work = work_](KeeperTables& tables) {
        return write_some(tables.history_blocks(), *state, *work);
      },
      [this, here = std::weak_ptr<char>(here_)](const Round& round) {
        if (!here.expired()) wrote(round);
      });
}

void BlockWriter::wrote(const Round& round) {
  writing_ = false;
  tell(round.status, round.lost + state_->take_dropped());
  bool goes_on = round.status.ok() && (round.more || std::exchange(again_, false));
  if (goes_on) return write();
  again_ = false;
  if (flushed_) std::exchange(flushed_, nullptr)();
}

// --- on the keeper's thread -------------------------------------------------------------------

StoreStatus BlockWriter::restore(HistoryBlockTable& table, Work& work) {
  BlockSeries series;
  for (;;) {
    auto page = table.own(series.last(), kRestorePage);
    if (!page) return page.error();
    const std::int64_t before = series.last();
    series.restore(*page);
    if (page->size() < kRestorePage || series.last() <= before) break;
  }
  work.series = std::move(series);
  work.restored = true;
  return {};
}

StoreStatus BlockWriter::write_piece(HistoryBlockTable& table, Work& work, std::string_view piece,
                                     std::uint64_t& lost) {
  BlockSeries::Order order = work.series.next(piece);
  std::optional<HistoryBlock> block = block_of(order.records);
  if (!block) {
    lost += piece.size();
    return {};
  }
  block->number = order.number;
  block->at = to_unix_ms(wall_now());
  block->node = work.name;
  StoreStatus put = table.put(*block, order.replaces);
  if (put)
    work.series.done(order, block->at,
                     static_cast<std::int64_t>(block->data.size() + block->filter.size()));
  else
    work.series.failed();
  return put;
}

BlockWriter::Round BlockWriter::write_some(HistoryBlockTable& table, State& state, Work& work) {
  Round round;
  if (!work.restored) round.status = restore(table, work);
  if (!round.status) return round;
  if (work.written >= work.records.size()) {
    work.records = without_floods(state.take());
    work.written = 0;
  }
  std::string_view rest = std::string_view(work.records).substr(work.written);
  std::vector<std::string_view> pieces = pieces_of(rest);
  for (std::size_t i = 0; i < pieces.size() && i < kPiecesOfRound; ++i) {
    round.status = write_piece(table, work, pieces[i], round.lost);
    // It is tried again, but for what the database will never take.
    if (!round.status && round.status.error().kind != StoreError::Kind::refused) {
      work.restored = false;
      return round;
    }
    if (!round.status) round.lost += pieces[i].size();
    work.written =
        static_cast<std::size_t>(pieces[i].data() + pieces[i].size() - work.records.data());
  }
  round.more = pieces.size() > kPiecesOfRound;
  if (round.more) return round;
  work.records.clear();
  work.written = 0;
  return round;
}

StoreStatus BlockWriter::sweep(HistoryBlockTable& table, Work& work, std::int64_t before) {
  if (!work.restored) return {};
  std::int64_t up_to = work.series.surplus(before, kSharedOctetsMax);
  if (up_to > 0) {
    if (StoreStatus removed = table.remove_own(up_to); !removed) return removed;
    work.series.removed(up_to);
  }
  return table.remove_left(before);
}

// --- on the loop ------------------------------------------------------------------------------

void BlockWriter::look_at_sweep() {
  if (writing_ || mono_now() < sweep_at_) return;
  sweep_at_ = mono_now() + kSharedSweepEvery;
  writing_ = true;
  keep_then(
      keeper_,
      [work = work_, before = to_unix_ms(wall_now() - keep_)](KeeperTables& tables) {
        return Round{sweep(tables.history_blocks(), *work, before), false, 0};
      },
      [this, here = std::weak_ptr<char>(here_)](const Round& round) {
        if (!here.expired()) wrote(round);
      });
}

void BlockWriter::tell(const StoreStatus& status, std::uint64_t dropped) {
  dropped_ += dropped;
  dropped_in_all_ += dropped;
  const bool fine = status.ok() && dropped == 0;
  if (fine && !in_trouble_ && dropped_ == 0) return;
  if (fine) {
    log::Line(log::Level::info, "history_shared_again").kv("dropped", std::exchange(dropped_, 0));
    in_trouble_ = false;
    said_again_ = {};
    return;
  }
  in_trouble_ = true;
  if (mono_now() < said_again_) return;
  said_again_ = mono_now() + kSharedSaidAgain;
  log::Line line(log::Level::warning, "history_not_shared");
  line.kv("dropped", std::exchange(dropped_, 0));
  if (!status) line.kv("error", status.error().text);
}

}  // namespace postwain::qmgr
