#include "qmgr/store/postgres/pg_attempts.h"

namespace postwain::qmgr {

StoreStatus PgAttempts::write(std::span<const AttemptFact> facts) {
  for (const AttemptFact& fact : facts) {
    if (const auto* ended = std::get_if<EndAttempts>(&fact)) {
      for (const AttemptName& name : ended->names) session_.names().end(name);
      continue;
    }
    for (const AttemptName& name : std::get<NameAttempts>(fact).names) {
      if (!session_.bags().has(name.id))
        return StoreError{StoreError::Kind::fenced,
                          name.id.text() + " was to be lent, and is another node's"};
      session_.names().add(name);
    }
  }
  session_.write_batch();
  return {};
}

}  // namespace postwain::qmgr
