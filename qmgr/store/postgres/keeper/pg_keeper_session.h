// The keeper's session. What it writes is fenced by a lane of its own: whoever ends this node's
// term raises the token of that lane, too, and nothing of it can be committed afterwards.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/time.h"

#include "qmgr/store/postgres/session/pg_connection.h"
#include "qmgr/store/postgres/session/pg_options.h"
#include "qmgr/store/shared_queue.h"
#include "qmgr/store/store_error.h"

namespace postwain::qmgr {

class PgKeeperSession {
 public:
  using Commands = std::vector<PgCommand>;
  using Results = StoreResult<std::vector<PgResult>>;
  enum class Sync : std::uint8_t {
    now,    // committed for good when the call has succeeded
    later,  // a crash of the database may take it back
  };

  // options: those that the store was opened with.
  PgKeeperSession(PgOptions options, const SharedQueue::Self& self);

  // One transaction, sent as one flight; the results of the commands in their order. away: whether
  // it was committed is not known, so that it has to do no harm when it is done again. refused: a
  // command's condition failed by a division by zero.
  Results write(Commands commands, Sync sync = Sync::now);
  // Without a transaction, and without the fence.
  Results read(Commands commands);

  std::int16_t node() const { return self_.node; }
  std::int64_t term() const { return self_.term; }

 private:
  StoreStatus make_ready();
  StoreStatus take_lane(PgConnection& connection);
  Results run(const Commands& commands);

  PgOptions options_;
  SharedQueue::Self self_;
  std::int64_t token_ = 0;
  std::unique_ptr<PgConnection> connection_;
  MonoTime connect_from_{};  // not before
  std::string unreachable_;  // why
};

}  // namespace postwain::qmgr
