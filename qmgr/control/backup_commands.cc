#include "qmgr/control/backup_commands.h"

#include <algorithm>
#include <utility>

#include "common/base/sysexits.h"
#include "common/log/log.h"

#include "qmgr/control/json/answer_json.h"
#include "qmgr/store/queue_reader.h"

namespace postwain::qmgr {

void BackupCommands::backup(Asker asker) {
  log::Line(log::Level::info, "backup").kv("by", peers_.author(asker.peer));
  snapshot_.make([this, asker](Result<std::string> made) {
    if (!made) {
      log::Line(log::Level::error, "backup_failed").kv("error", made.error().text);
      return peers_.refuse(asker, made.error().text, kExitIoError);
    }
    if (!peers_.is_here(asker.peer)) return snapshot_.release();
    snapshot_for_ = asker.peer;
    peers_.reply(asker, json_snapshot(*made, status_.now()));
  });
}

void BackupCommands::lost(std::uint64_t peer) {
  if (snapshot_for_ != peer) return;
  snapshot_for_.reset();
  snapshot_.release();
}

void BackupCommands::content(Asker asker, const Command& command) {
  if (!command.filter.id) return peers_.refuse(asker, "say which message", kExitUsage);
  queue_.store().read([this, asker, command](QueueStore& store) -> StoreService::Completion {
    mail::QueueId id = *command.filter.id;
    auto found = QueueReader(store).message(id, 0, 1);
    // What cannot be asked for is not gone.
    if (!found)
      return [this, asker, error = found.error()] {
        peers_.refuse(asker, error.text, command_exit_code(error));
      };
    bool there = *found && command.offset <= (*found)->info.size;
    if (!there)
      return [this, asker, id] {
        peers_.refuse(asker, "no message " + id.text() + " in the queue", kExitNoInput);
      };
    return [this, asker, offset = command.offset, info = (*found)->info] {
      read_content(asker, info, offset);
    };
  });
}

void BackupCommands::read_content(Asker asker, const MessageInfo& info, std::uint64_t offset) {
  auto length =
      static_cast<std::size_t>(std::min<std::uint64_t>(kContentPiece, info.size - offset));
  queue_.content().read(
      info, offset, length, [this, asker, id = info.id](const std::optional<std::string>& bytes) {
        if (bytes) return peers_.reply(asker, json_content(*bytes));
        peers_.refuse(asker, "the content of " + id.text() + " cannot be read; the log says why",
                      kExitIoError);
      });
}

}  // namespace postwain::qmgr
