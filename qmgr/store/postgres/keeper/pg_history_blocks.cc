#include "qmgr/store/postgres/keeper/pg_history_blocks.h"

#include <algorithm>
#include <utility>

#include "qmgr/cluster/values.h"

namespace postwain::qmgr {

namespace {

constexpr std::int64_t kBlocksLookedAt = 1000;  // of one search
constexpr std::int64_t kBlocksGiven = 16;       // the same
constexpr std::int64_t kBlocksSwept = 200;      // of each node, at once

// Zero, where the answer is not of the form that it should have.
std::int64_t number_of_block(PgReader& row, bool& sane) {
  std::int64_t number = row.number();
  sane = sane && number > 0;
  return number;
}

HistoryBlock pg_history_block(PgReader& row, bool& sane) {
  HistoryBlock block;
  block.number = number_of_block(row, sane);
  block.at = row.number();
  block.node = row.text();
  block.data = row.text();
  sane = sane && row.done() && block.data.size() <= kBlockOctetsMax;
  return block;
}

}  // namespace

StoreStatus PgHistoryBlocks::write(PgKeeperSession::Commands commands) {
  auto written = session_.write(std::move(commands), PgKeeperSession::Sync::later);
  return written ? StoreStatus() : StoreStatus(written.error());
}

StoreResult<std::vector<HistoryBlockTable::Stored>> PgHistoryBlocks::own(std::int64_t after,
                                                                         std::size_t most) {
  auto results = session_.read(
      {{Pg::list_history_blocks,
        PgParameters().int2(session_.node()).int8(after).int8(static_cast<std::int64_t>(most))}});
  if (!results) return results.error();
  std::vector<Stored> found;
  for (int i = 0; i < results->front().rows(); ++i) {
    PgReader row(results->front(), i);
    Stored one;
    bool sane = true;
    one.number = number_of_block(row, sane);
    one.at = row.number();
    one.octets = row.number();
    if (!sane || !row.done() || one.octets < 0 || found.size() >= most) return strange_answer();
    found.push_back(one);
  }
  return found;
}

StoreStatus PgHistoryBlocks::put(const HistoryBlock& block, std::int64_t replaces) {
  PgKeeperSession::Commands commands;
  if (replaces > 0 && replaces < block.number)
    commands.push_back(
        {Pg::remove_history_blocks,
         PgParameters().int2(session_.node()).int8(replaces).int8(block.number - 1)});
  commands.push_back({Pg::put_history_block, PgParameters()
                                                 .int2(session_.node())
                                                 .int8(block.number)
                                                 .int8(block.at)
                                                 .bytes(block.node)
                                                 .bytes(block.filter)
                                                 .bytes(block.data)});
  return write(std::move(commands));
}

StoreStatus PgHistoryBlocks::remove_own(std::int64_t up_to) {
  return write(
      {{Pg::remove_history_blocks, PgParameters().int2(session_.node()).int8(0).int8(up_to)}});
}

StoreStatus PgHistoryBlocks::remove_left(std::int64_t before) {
  return write({{Pg::remove_left_history, PgParameters().int8(before).int8(kBlocksSwept)}});
}

StoreResult<std::vector<HistoryBlockTable::Last>> PgHistoryBlocks::last_blocks() {
  auto results = session_.read({{Pg::last_history_blocks, {}}});
  if (!results) return results.error();
  std::vector<Last> found;
  for (int i = 0; i < results->front().rows(); ++i) {
    PgReader row(results->front(), i);
    std::int64_t node = row.number();
    bool sane = cluster::node_number(node).has_value() && i < int{cluster::kNodes};
    Last last{static_cast<std::int16_t>(node), number_of_block(row, sane)};
    if (!sane || !row.done()) return strange_answer();
    found.push_back(last);
  }
  return found;
}

StoreResult<HistoryBlockTable::Found> PgHistoryBlocks::search(const Search& search) {
  PgArray first(PgArray::Element::int8);
  PgArray second(PgArray::Element::int8);
  for (const FilterProbe& probe : search.probes) {
    first.number(probe.first);
    second.number(probe.second);
  }
  auto results =
      session_.read({{Pg::end_of_history_search,
                      PgParameters().int2(search.node).int8(search.below).int8(kBlocksLookedAt)},
                     {Pg::search_history, PgParameters()
                                              .int2(search.node)
                                              .int8(search.below)
                                              .int8(kBlocksLookedAt)
                                              .int8(search.from)
                                              .array(std::move(first))
                                              .array(std::move(second))
                                              .int8(kBlocksGiven)}});
  if (!results) return results.error();
  PgReader end((*results)[0], 0);
  Found found;
  const std::int64_t lowest = end.number();
  const std::int64_t newest = end.number();
  if (!end.done() || lowest < 0) return strange_answer();
  bool sane = true;
  for (int i = 0; i < (*results)[1].rows() && sane; ++i) {
    PgReader row((*results)[1], i);
    found.blocks.push_back(pg_history_block(row, sane));
    sane = sane && found.blocks.back().number < (i == 0 ? search.below : found.below);
    found.below = found.blocks.back().number;
  }
  const auto given = static_cast<std::int64_t>(found.blocks.size());
  if (!sane || given > kBlocksGiven) return strange_answer();
  if (given < kBlocksGiven) found.below = newest >= search.from ? lowest : 0;
  // It has to come to an end, whatever the answers are.
  if (found.below >= search.below) return strange_answer();
  return found;
}

}  // namespace postwain::qmgr
