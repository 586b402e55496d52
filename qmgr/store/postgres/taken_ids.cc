#include "qmgr/store/postgres/taken_ids.h"

#include "qmgr/model/row_id.h"
#include "qmgr/store/postgres/pg_values.h"

namespace postwain::qmgr {

StoreResult<std::unordered_set<mail::QueueId>> taken_ids(PgSession& session,
                                                         std::span<const mail::QueueId> ids) {
  std::unordered_set<mail::QueueId> taken;
  if (session.places().is_plain() || ids.empty()) return taken;
  PgKeys keys(session.places());
  for (mail::QueueId id : ids) {
    BagList candidates = session.places().candidates(id);
    for (std::size_t i = 1; i < candidates.size(); ++i) {
      keys.bags.number(candidates[i]);
      keys.ids.number(number_of(id));
    }
  }
  PgParameters parameters;
  parameters.array(std::move(keys.bags)).array(std::move(keys.ids));
  auto found = session.run(Pg::known_ids, std::move(parameters));
  if (!found) return found.error();
  for (int i = 0; i < found->rows(); ++i) {
    PgReader row(*found, i);
    taken.insert(id_of(row.number()));
    if (!row.done()) return strange_answer();
  }
  return taken;
}

}  // namespace postwain::qmgr
