#include "qmgr/store/postgres/session/pg_parameters.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include "common/base/check.h"

namespace postwain::qmgr {

namespace {

// Of the types in the catalogue pg_type, where they never change.
constexpr std::uint32_t kOidBytea = 17;
constexpr std::uint32_t kOidInt8 = 20;
constexpr std::uint32_t kOidInt2 = 21;
constexpr std::uint32_t kOidInt4 = 23;

std::uint32_t oid_of(PgArray::Element element) {
  switch (element) {
    case PgArray::Element::int2:
      return kOidInt2;
    case PgArray::Element::int4:
      return kOidInt4;
    case PgArray::Element::int8:
      return kOidInt8;
    case PgArray::Element::bytea:
      break;
  }
  return kOidBytea;
}

std::size_t octets_of(PgArray::Element element) {
  if (element == PgArray::Element::int2) return 2;
  return element == PgArray::Element::int4 ? 4 : 8;
}

void append_network_order(std::string& out, std::uint64_t value, std::size_t octets) {
  for (std::size_t i = octets; i-- > 0;) out += static_cast<char>(value >> (8 * i) & 0xFFU);
}

template <class Integer>
std::int64_t within(std::int64_t value) {
  return std::clamp<std::int64_t>(value, std::numeric_limits<Integer>::min(),
                                  std::numeric_limits<Integer>::max());
}

std::int64_t within_element(PgArray::Element element, std::int64_t value) {
  if (element == PgArray::Element::int2) return within<std::int16_t>(value);
  return element == PgArray::Element::int4 ? within<std::int32_t>(value) : value;
}

}  // namespace

void PgArray::number(std::int64_t value) {
  PW_CHECK(element_ != Element::bytea);
  std::size_t octets = octets_of(element_);
  append_network_order(values_, octets, 4);
  append_network_order(values_, static_cast<std::uint64_t>(within_element(element_, value)),
                       octets);
  ++count_;
}

void PgArray::bytes(std::string_view value) {
  PW_CHECK(element_ == Element::bytea);
  append_network_order(values_, value.size(), 4);
  values_ += value;
  ++count_;
}

std::string PgArray::binary() && {
  std::string out;
  out.reserve(values_.size() + 20);
  append_network_order(out, count_ > 0 ? 1 : 0, 4);  // dimensions
  append_network_order(out, 0, 4);                   // no NULL within
  append_network_order(out, oid_of(element_), 4);
  if (count_ == 0) return out;
  append_network_order(out, count_, 4);
  append_network_order(out, 1, 4);  // number of the first
  out += values_;
  return out;
}

PgParameters& PgParameters::int2(std::int64_t value) {
  append_network_order(values_.emplace_back(),
                       static_cast<std::uint64_t>(within<std::int16_t>(value)), 2);
  return *this;
}

PgParameters& PgParameters::int4(std::int64_t value) {
  append_network_order(values_.emplace_back(),
                       static_cast<std::uint64_t>(within<std::int32_t>(value)), 4);
  return *this;
}

PgParameters& PgParameters::int8(std::int64_t value) {
  append_network_order(values_.emplace_back(), static_cast<std::uint64_t>(value), 8);
  return *this;
}

PgParameters& PgParameters::bytes(std::string_view value) {
  values_.emplace_back(value);
  return *this;
}

PgParameters& PgParameters::array(PgArray&& array) {
  values_.push_back(std::move(array).binary());
  return *this;
}

std::size_t PgParameters::octets() const {
  std::size_t all = 0;
  for (const std::string& one : values_) all += one.size();
  return all;
}

}  // namespace postwain::qmgr
