#include "qmgr/move_command.h"

#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/config/document/database_address.h"

#include "qmgr/engine.h"
#include "qmgr/moving/move_queue.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kMoveInputMax = 16U << 10;

int move_failed(int code, const std::string& text) {
  fmt::print(stderr, "postwain: {}\n", text);
  return code;
}

struct MoveOrder {
  config::QueueDatabase from;
  config::QueueDatabase to;
  std::string runtime_dir;
};

// Nothing: `why` is set.
std::optional<config::QueueDatabase> store_of(std::string_view text, std::string_view password,
                                              std::string_view node, std::string& why) {
  config::QueueDatabase store;
  store.password = password;
  store.node = node;
  if (text == "sqlite") return store;
  store.address = config::parse_database_address(text, why);
  if (!store.address) return std::nullopt;
  return store;
}

Result<MoveOrder> read_order() {
  Result<std::string> text = read_small_fd(0, kMoveInputMax);
  if (!text) return text.error();
  std::vector<std::string_view> lines = split(*text, '\n');
  constexpr std::size_t kLines = 6;
  if (lines.size() < kLines) return Error{"what is to be moved is not said", kExitUsage};
  std::string why;
  auto from = store_of(lines[0], lines[1], lines[4], why);
  if (!from) return Error{"--from: " + why, kExitUsage};
  auto to = store_of(lines[2], lines[3], lines[4], why);
  if (!to) return Error{"store: " + why, kExitConfig};
  if (from->address == to->address)
    return Error{"the queue is there already: --from and [queue] store name the same", kExitUsage};
  return MoveOrder{*from, *to, std::string(lines[5])};
}

void tell(const MoveOrder& order, const MovedQueue& moved, bool json) {
  if (json)
    fmt::print("{}\n", nlohmann::json({{"messages", moved.messages},
                                       {"recipients", moved.recipients},
                                       {"from", name_of(order.from)},
                                       {"to", name_of(order.to)}})
                           .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  else
    fmt::print("{} messages with {} recipients moved from {} to {}\n", moved.messages,
               moved.recipients, name_of(order.from), name_of(order.to));
}

Result<MovedQueue> move_between(const MoveOrder& order, const std::string& folder) {
  Ballast ballast(folder + "/ballast");
  EnginePlace place{folder, machine_id(), order.runtime_dir};
  Result<Engine> from = open_engine(order.from, place, ballast);
  if (!from) return from.error();
  // Both may be databases, and one lock is enough for the spool.
  from->lock.reset();
  Result<Engine> to = open_engine(order.to, place, ballast);
  if (!to) return to.error();
  QueuePlace source{*from->store, ContentFolder(from->contents)};
  QueuePlace target{*to->store, ContentFolder(to->contents)};
  for (ContentFolder* files : {&source.files, &target.files})
    if (Status made = files->create(); !made) return Error{made.error().text, kExitCantCreate};
  StoreResult<MovedQueue> moved = move_queue(source, target);
  if (!moved) return Error{moved.error().text, exit_code_of(moved.error())};
  for (QueueStore* store : {from->store.get(), to->store.get()})
    if (StoreStatus s = store->maintenance().checkpoint(true); !s)
      return Error{s.error().text, exit_code_of(s.error())};
  return *moved;
}

}  // namespace

bool is_move(int argc, char** argv) {
  return argc == 3 &&
         (std::string_view(argv[1]) == "move" || std::string_view(argv[1]) == "move-json");
}

int move_command(char** argv) {
  Result<MoveOrder> order = read_order();
  if (!order) return move_failed(order.error().code, order.error().text);
  Result<MovedQueue> moved = move_between(*order, argv[2]);
  if (!moved)
    return move_failed(moved.error().code,
                       moved.error().text +
                           "; what was moved is moved, and the rest is where it "
                           "was; once this is put right, the same again goes on");
  tell(*order, *moved, std::string_view(argv[1]) == "move-json");
  return kExitOk;
}

}  // namespace postwain::qmgr
