// Rows of a b-tree page of a SQLite database, read without SQLite and without the page's tree: what
// a page holds is a row or is skipped, never more. For salvage (salvage.h).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "qmgr/salvage/page_source.h"

namespace postwain::qmgr {

struct Null {
  bool operator==(const Null&) const = default;
};
using Blob = std::vector<char>;
using Value = std::variant<Null, std::int64_t, double, std::string, Blob>;

struct PageRow {
  bool in_table = false;  // of a table with row ids; else of an index or a table without
  std::int64_t row_id = 0;
  std::vector<Value> columns;
};

constexpr std::size_t kRowMax = 8U << 20;  // larger than any row of ours

// Calls for each row of the page, in no order. Pages that are no b-tree pages have none.
void for_each_row(const PageSource& source, const std::string& page, bool first_page,
                  const std::function<void(PageRow)>& call);

}  // namespace postwain::qmgr
