#include "qmgr/history/block_series.h"

#include <algorithm>

namespace postwain::qmgr {

namespace {

// What fills a block that far is left as it is.
constexpr std::size_t kNearlyFull = kBlockRecords / 4 * 3;

}  // namespace

void BlockSeries::restore(const std::vector<Stored>& page) {
  for (const Stored& one : page) {
    stored_.push_back(one);
    octets_ += one.octets;
    last_ = std::max(last_, one.number);
  }
}

BlockSeries::Order BlockSeries::next(std::string_view records) {
  Order order{std::string(records), ++last_, 0};
  std::size_t all = small_.size() + records.size();
  bool becomes_one = small_blocks_ > 0 && (all >= kBlockRecords || small_blocks_ >= kSmallBlocks);
  if (!becomes_one || all > kBlockRecordsMax) return order;
  order.records.insert(0, small_);
  order.replaces = small_from_;
  return order;
}

void BlockSeries::done(const Order& order, std::int64_t at, std::int64_t octets) {
  if (order.replaces > 0) {
    forget_from(order.replaces);
    small_.clear();
    small_blocks_ = 0;
  } else if (order.records.size() + small_.size() < kBlockRecords &&
             (small_blocks_ > 0 || order.records.size() < kNearlyFull)) {
    if (small_blocks_++ == 0) small_from_ = order.number;
    small_ += order.records;
  }
  stored_.push_back({order.number, at, octets});
  octets_ += octets;
}

void BlockSeries::failed() {
  small_.clear();
  small_blocks_ = 0;
}

void BlockSeries::forget_from(std::int64_t number) {
  while (!stored_.empty() && stored_.back().number >= number) {
    octets_ -= stored_.back().octets;
    stored_.pop_back();
  }
}

std::int64_t BlockSeries::surplus(std::int64_t before, std::int64_t max_octets) const {
  std::int64_t left = octets_;
  std::int64_t up_to = 0;
  for (const Stored& one : stored_) {
    if (one.at >= before && left <= max_octets) break;
    left -= one.octets;
    up_to = one.number;
  }
  return up_to;
}

void BlockSeries::removed(std::int64_t up_to) {
  while (!stored_.empty() && stored_.front().number <= up_to) {
    octets_ -= stored_.front().octets;
    stored_.pop_front();
  }
  // What is gone is not written once more.
  if (small_blocks_ > 0 && small_from_ <= up_to) failed();
}

}  // namespace postwain::qmgr
