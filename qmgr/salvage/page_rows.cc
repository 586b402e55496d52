#include "qmgr/salvage/page_rows.h"

#include <cstring>
#include <optional>
#include <string_view>
#include <unordered_set>

#include "qmgr/model/big_endian.h"

namespace postwain::qmgr {

namespace {

enum PageType : unsigned char { kIndexInterior = 2, kIndexLeaf = 10, kTableLeaf = 13 };

std::optional<std::uint64_t> varint(std::string_view bytes, std::size_t& at) {
  std::uint64_t value = 0;
  for (int i = 0; i < 9; ++i) {
    if (at >= bytes.size()) return std::nullopt;
    auto byte = static_cast<unsigned char>(bytes[at++]);
    if (i == 8) return value << 8 | byte;
    value = value << 7 | (byte & 0x7FU);
    if ((byte & 0x80U) == 0) return value;
  }
  return value;
}

std::optional<Value> value_of(std::uint64_t type, std::string_view bytes, std::size_t& at) {
  constexpr std::size_t kNumberSizes[] = {0, 1, 2, 3, 4, 6, 8, 8};
  if (type == 0) return Value(Null{});
  if (type == 8 || type == 9) return Value(static_cast<std::int64_t>(type - 8));
  if (type == 10 || type == 11) return std::nullopt;
  std::size_t size = type < 8 ? kNumberSizes[type] : static_cast<std::size_t>((type - 12) / 2);
  if (size > bytes.size() - at) return std::nullopt;
  std::string_view raw = bytes.substr(at, size);
  at += size;
  if (type >= 12 && type % 2 == 1) return Value(std::string(raw));
  if (type >= 12) return Value(Blob(raw.begin(), raw.end()));
  std::uint64_t bits = (static_cast<unsigned char>(raw[0]) & 0x80U) != 0 && type != 7 ? ~0ULL : 0;
  for (char c : raw) bits = bits << 8 | static_cast<unsigned char>(c);
  if (type != 7) return Value(static_cast<std::int64_t>(bits));
  double number = 0;
  std::memcpy(&number, &bits, sizeof number);
  return Value(number);
}

std::optional<std::vector<Value>> columns_of(std::string_view payload) {
  std::size_t at = 0;
  auto header = varint(payload, at);
  if (!header || *header > payload.size()) return std::nullopt;
  std::string_view types = payload.substr(0, static_cast<std::size_t>(*header));
  std::size_t body = types.size();
  std::vector<Value> columns;
  while (at < types.size()) {
    auto type = varint(types, at);
    if (!type) return std::nullopt;
    auto value = value_of(*type, payload, body);
    if (!value) return std::nullopt;
    columns.push_back(*std::move(value));
  }
  return columns;
}

class Cells {
 public:
  Cells(const PageSource& source, const std::string& page, bool first_page)
      : source_(source), page_(page), at_(first_page ? 100 : 0) {}

  void each(const std::function<void(PageRow)>& call) {
    type_ = static_cast<unsigned char>(page_[at_]);
    if (type_ != kIndexInterior && type_ != kIndexLeaf && type_ != kTableLeaf) return;
    std::size_t count = big_endian16(page_.data() + at_ + 3);
    std::size_t pointers = at_ + (type_ == kIndexInterior ? 12 : 8);
    if (count > (kPageSize - pointers) / 2) return;
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t cell = big_endian16(page_.data() + pointers + 2 * i);
      if (cell < pointers + 2 * count || cell >= kPageSize) continue;
      if (auto row = read(cell)) call(*std::move(row));
    }
  }

 private:
  std::optional<PageRow> read(std::size_t at) {
    if (type_ == kIndexInterior) at += 4;  // the page to the left
    auto size = varint(page_, at);
    if (!size || *size > kRowMax) return std::nullopt;
    PageRow row;
    row.in_table = type_ == kTableLeaf;
    if (row.in_table) {
      auto id = varint(page_, at);
      if (!id) return std::nullopt;
      row.row_id = static_cast<std::int64_t>(*id);
    }
    auto payload = whole(at, static_cast<std::size_t>(*size));
    if (!payload) return std::nullopt;
    auto columns = columns_of(*payload);
    if (!columns) return std::nullopt;
    row.columns = *std::move(columns);
    return row;
  }

  // What lies on the page, by the rule of the format, and the rest from overflow pages.
  std::optional<std::string> whole(std::size_t at, std::size_t size) {
    constexpr std::size_t kIndexValueMax = (kPageSize - 12) * 64 / 255 - 23;
    constexpr std::size_t kMin = (kPageSize - 12) * 32 / 255 - 23;
    std::size_t max = type_ == kTableLeaf ? kPageSize - 35 : kIndexValueMax;
    std::size_t local = size;
    if (size > max) {
      local = kMin + (size - kMin) % (kPageSize - 4);
      if (local > max) local = kMin;
    }
    if (at + local > kPageSize) return std::nullopt;
    std::string payload = page_.substr(at, local);
    if (local == size) return payload;
    if (at + local + 4 > kPageSize) return std::nullopt;
    std::uint32_t next = big_endian32(page_.data() + at + local);
    std::unordered_set<std::uint32_t> seen;
    while (payload.size() < size) {
      if (next == 0 || next > source_.pages() || !seen.insert(next).second) return std::nullopt;
      Result<std::string> overflow = source_.read(next);
      if (!overflow) return std::nullopt;
      payload.append(*overflow, 4, std::min<std::size_t>(kPageSize - 4, size - payload.size()));
      next = big_endian32(overflow->data());
    }
    // A chain that goes on is not this row's.
    if (next != 0) return std::nullopt;
    return payload;
  }

  const PageSource& source_;
  const std::string& page_;
  std::size_t at_;
  unsigned char type_ = 0;
};

}  // namespace

void for_each_row(const PageSource& source, const std::string& page, bool first_page,
                  const std::function<void(PageRow)>& call) {
  Cells(source, page, first_page).each(call);
}

}  // namespace postwain::qmgr
