#include "qmgr/store_order.h"

#include <cstdio>
#include <optional>
#include <string_view>
#include <vector>

#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/config/document/database_address.h"

#include "qmgr/engine.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kOrderMax = 16U << 10;

// Nothing: `why` is set.
std::optional<config::QueueDatabase> store_of(std::string_view text, std::string_view password,
                                              std::string_view node, std::string& why) {
  config::QueueDatabase store;
  if (text == "sqlite") return store;
  store.password = password;
  store.node = node;
  store.address = config::parse_database_address(text, why);
  if (!store.address) return std::nullopt;
  return store;
}

}  // namespace

std::string StoreOrder::text() const {
  return fmt::format("from {} to {}", name_of(from), name_of(to));
}

Result<StoreOrder> read_store_order() {
  Result<std::string> text = read_small_fd(STDIN_FILENO, kOrderMax);
  if (!text) return Error{text.error().text, kExitIoError};
  std::vector<std::string_view> lines = split(*text, '\n');
  constexpr std::size_t kLines = 6;
  if (lines.size() < kLines) return Error{"what is to be done is not said", kExitUsage};
  std::string why;
  auto from = store_of(lines[0], lines[1], lines[4], why);
  if (!from) return Error{"--from: " + why, kExitUsage};
  auto to = store_of(lines[2], lines[3], lines[4], why);
  if (!to) return Error{"store: " + why, kExitConfig};
  return StoreOrder{*from, *to, std::string(lines[5])};
}

int tool_failed(int code, const std::string& text) {
  fmt::print(stderr, "postwain: {}\n", text);
  return code;
}

}  // namespace postwain::qmgr
