#include "qmgr/store/postgres/session/pg_result.h"

#include <cstddef>

#include <libpq-fe.h>

#include "common/base/text.h"

namespace postwain::qmgr {

namespace {

constexpr Oid kTypeBytea = 17;
constexpr Oid kTypeInt8 = 20;
constexpr Oid kTypeInt2 = 21;
constexpr Oid kTypeInt4 = 23;

std::size_t octets_of_type(Oid type) {
  if (type == kTypeInt2) return 2;
  if (type == kTypeInt4) return 4;
  return type == kTypeInt8 ? 8 : 0;
}

// Network order, the first bit is the sign.
std::int64_t signed_number(std::string_view bytes) {
  std::uint64_t value = (static_cast<unsigned char>(bytes.front()) & 0x80U) != 0 ? ~0ULL : 0;
  for (char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return static_cast<std::int64_t>(value);
}

}  // namespace

void PgResult::Free::operator()(pg_result* result) const {
  PQclear(result);
}

int PgResult::rows() const {
  return PQntuples(result_.get());
}

std::optional<std::int64_t> PgResult::changed() const {
  return parse_decimal<std::int64_t>(PQcmdTuples(result_.get()));
}

std::string_view PgResult::tag() const {
  return PQcmdStatus(result_.get());
}

std::optional<std::string_view> PgReader::next() {
  int column = column_++;
  if (row_ >= PQntuples(result_) || column >= PQnfields(result_)) return std::nullopt;
  if (PQfformat(result_, column) != 1 || PQgetisnull(result_, row_, column) != 0)
    return std::nullopt;
  int length = PQgetlength(result_, row_, column);
  if (length < 0) return std::nullopt;
  return std::string_view(PQgetvalue(result_, row_, column), static_cast<std::size_t>(length));
}

std::int64_t PgReader::number() {
  std::optional<std::string_view> bytes = next();
  if (!bytes || bytes->empty() || bytes->size() != octets_of_type(PQftype(result_, column_ - 1))) {
    failed_ = true;
    return 0;
  }
  return signed_number(*bytes);
}

std::string_view PgReader::view() {
  std::optional<std::string_view> bytes = next();
  if (!bytes || PQftype(result_, column_ - 1) != kTypeBytea) {
    failed_ = true;
    return {};
  }
  return *bytes;
}

bool PgReader::done() const {
  return !failed_ && column_ == PQnfields(result_);
}

StoreError strange_answer() {
  return {StoreError::Kind::damaged, "the database answered in a form that is not our schema's"};
}

}  // namespace postwain::qmgr
