#include "qmgr/store_command.h"

#include <cerrno>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/file.h"
#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/config/document/database_address.h"

#include "qmgr/engine.h"
#include "qmgr/moving/move_queue.h"
#include "qmgr/store_order.h"

namespace postwain::qmgr {

namespace {

constexpr std::size_t kMovingFileMax = 16U << 10;

void tell(const StoreOrder& order, const MovedQueue& moved, bool json) {
  if (json)
    fmt::print("{}\n", nlohmann::json({{"messages", moved.messages},
                                       {"recipients", moved.recipients},
                                       {"from", name_of(order.from)},
                                       {"to", name_of(order.to)}})
                           .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  else if (moved.messages == 0)
    fmt::print("there is nothing to move: no mail is in {}\n", name_of(order.from));
  else
    fmt::print("{} messages with {} recipients moved {}\n", moved.messages, moved.recipients,
               order.text());
}

// Between its beginning and its end mail may lie in both stores, and no start may deliver it.
Status begin_move(const StoreOrder& order, const std::string& folder) {
  const std::string path = moving_file(folder);
  if (Result<std::string> former = read_small_file(path, kMovingFileMax); former) {
    if (*former == order.text() + "\n") return {};
    return Error{fmt::format("a move {} has not ended; end that first",
                             printable(trim(former->substr(0, former->find('\n'))))),
                 kExitUsage};
  }
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return Error{system_error(path, errno).text, kExitCantCreate};
  Status written = write_all(fd.get(), order.text() + "\n");
  if (written && ::fsync(fd.get()) != 0) written = system_error(path, errno);
  if (written) written = sync_folder(folder);
  if (!written) return Error{written.error().text, kExitIoError};
  return {};
}

Status end_move(const std::string& folder) {
  const std::string path = moving_file(folder);
  if (::unlink(path.c_str()) != 0) return Error{system_error(path, errno).text, kExitIoError};
  return sync_folder(folder);
}

// Nothing of it is left to be moved: no mail, and nothing that operators or outages have set. What
// else is known would not keep anybody from working with the other store.
StoreResult<bool> is_moved(QueueStore& store) {
  constexpr std::size_t kOne = 1;
  auto mail = store.scan().last_id();
  if (!mail) return mail.error();
  auto breakers = store.destinations().breakers({}, kOne);
  if (!breakers) return breakers.error();
  auto suspensions = store.destinations().suspensions({}, kOne);
  if (!suspensions) return suspensions.error();
  return mail->value == 0 && breakers->empty() && suspensions->empty();
}

// Whether the other store can be had does not matter where there is nothing for it, as behind the
// end of a move.
Result<MovedQueue> without_target(const Error& error, const Engine& from,
                                  const std::string& folder) {
  if (::access(moving_file(folder).c_str(), F_OK) == 0) return error;
  StoreResult<bool> moved = is_moved(*from.store);
  return moved && *moved ? Result<MovedQueue>(MovedQueue{}) : error;
}

Result<MovedQueue> move_all(const StoreOrder& order, const std::string& folder) {
  Ballast ballast(folder + "/ballast");
  EnginePlace place{folder, order.runtime_dir};
  Result<Engine> from = open_engine(order.from, place, ballast, Opening::existing);
  if (!from) return from.error();
  // Both may be databases, and one lock is enough for the spool.
  from->lock.reset();
  Result<Engine> to = open_engine(order.to, place, ballast);
  if (!to) return without_target(to.error(), *from, folder);
  QueuePlace source{*from->store, ContentFolder(from->contents)};
  QueuePlace target{*to->store, ContentFolder(to->contents)};
  for (ContentFolder* files : {&source.files, &target.files})
    if (Status made = files->create(); !made) return Error{made.error().text, kExitCantCreate};
  if (Status begun = begin_move(order, folder); !begun) return begun.error();
  StoreResult<MovedQueue> moved = move_queue(source, target);
  if (!moved) return Error{moved.error().text, exit_code_of(moved.error())};
  for (QueueStore* store : {from->store.get(), to->store.get()})
    if (StoreStatus s = store->maintenance().checkpoint(true); !s)
      return Error{s.error().text, exit_code_of(s.error())};
  if (Status ended = end_move(folder); !ended) return ended.error();
  return *moved;
}

int move_command(const StoreOrder& order, const std::string& folder, bool json) {
  if (order.from.address == order.to.address)
    return tool_failed(kExitUsage,
                       "the queue is there already: --from and [queue] store name the same");
  Result<MovedQueue> moved = move_all(order, folder);
  if (!moved) {
    bool begun = ::access(moving_file(folder).c_str(), F_OK) == 0;
    return tool_failed(moved.error().code,
                       moved.error().text +
                           (begun ? "; each message is where it was, or moved; put this right, and "
                                    "run the same again before Postwain is started"
                                  : ""));
  }
  tell(order, *moved, json);
  return kExitOk;
}

int take_over_command(const StoreOrder& order, const std::string& folder) {
  if (!order.to.address)
    return tool_failed(kExitUsage, "[queue] store names no database, and the spool is this one's");
  Result<Engine> taken = open_engine(order.to, {folder, order.runtime_dir},
                                     Ballast(folder + "/ballast"), Opening::take_over);
  if (!taken) return tool_failed(taken.error().code, taken.error().text);
  fmt::print("{}: what the node \"{}\" has of its queue belongs to {} now\n", name_of(order.to),
             order.to.node, folder);
  return kExitOk;
}

}  // namespace

bool is_store_command(int argc, char** argv) {
  if (argc != 3) return false;
  std::string_view word = argv[1];
  return word == "move" || word == "move-json" || word == "take-over";
}

int store_command(char** argv) {
  Result<StoreOrder> order = read_store_order();
  if (!order) return tool_failed(order.error().code, order.error().text);
  std::string_view word = argv[1];
  if (word == "take-over") return take_over_command(*order, argv[2]);
  return move_command(*order, argv[2], word == "move-json");
}

}  // namespace postwain::qmgr
