#include "qmgr/control/json/queue_shape.h"

#include <algorithm>

#include "common/mail/address.h"

namespace postwain::qmgr {

namespace {

std::string_view domain_of_recipient(std::string_view address) {
  std::size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

}  // namespace

void ShapeRow::add(const ShapeRow& other) {
  recipients += other.recipients;
  oldest = std::min(oldest, other.oldest);
  for (std::size_t i = 0; i < kShapeAges; ++i) ages[i] += other.ages[i];
}

void QueueShape::add(std::string_view address, WallTime received) {
  std::string_view written = domain_of_recipient(address);
  if (last_ == nullptr || written != last_domain_) {
    last_domain_ = written;
    std::string domain = mail::domain_key(written);
    auto found = rows_.find(domain);
    if (found == rows_.end() && rows_.size() < kShapeDomains)
      found = rows_.emplace(domain, ShapeRow{domain, 0, {}, WallTime::max()}).first;
    last_ = found == rows_.end() ? &beyond_ : &found->second;
  }
  auto minutes = std::chrono::duration_cast<std::chrono::minutes>(now_ - received).count();
  auto age = std::lower_bound(kShapeMinutes.begin(), kShapeMinutes.end(), minutes,
                              [](int limit, auto value) { return limit <= value; });
  ++last_->recipients;
  ++last_->ages[static_cast<std::size_t>(age - kShapeMinutes.begin())];
  last_->oldest = std::min(last_->oldest, received);
}

std::vector<const ShapeRow*> QueueShape::sorted() const {
  std::vector<const ShapeRow*> rows;
  rows.reserve(rows_.size());
  for (const auto& [domain, row] : rows_) rows.push_back(&row);
  std::sort(rows.begin(), rows.end(), [](const ShapeRow* a, const ShapeRow* b) {
    return a->recipients != b->recipients ? a->recipients > b->recipients : a->domain < b->domain;
  });
  return rows;
}

std::vector<ShapeRow> QueueShape::top(std::size_t limit) const {
  std::vector<ShapeRow> out;
  for (const ShapeRow* row : sorted())
    if (out.size() < limit) out.push_back(*row);
  return out;
}

QueueShape::Rest QueueShape::rest(std::size_t limit) const {
  Rest rest{beyond_, beyond_.recipients > 0 ? std::size_t{1} : 0};
  std::vector<const ShapeRow*> rows = sorted();
  for (std::size_t i = limit; i < rows.size(); ++i) {
    rest.row.add(*rows[i]);
    ++rest.domains;
  }
  return rest;
}

ShapeRow QueueShape::all() const {
  ShapeRow sum = beyond_;
  for (const auto& [domain, row] : rows_) sum.add(row);
  return sum;
}

}  // namespace postwain::qmgr
