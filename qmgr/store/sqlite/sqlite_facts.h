// What is known of destinations, of recipients at next hops and of the clock, in small tables.
#pragma once

#include "qmgr/store/queue_store.h"
#include "qmgr/store/sqlite/prepared_sql.h"

namespace postwain::qmgr {

class SqliteDestinationFacts final : public DestinationFacts {
 public:
  explicit SqliteDestinationFacts(PreparedSql& sql) : sql_(sql) {}

  StoreStatus write(std::span<const DestinationFact> facts) override;
  StoreResult<std::vector<OpenBreaker>> breakers(const std::string& after,
                                                 std::size_t limit) override;
  StoreResult<std::vector<KnownMxSet>> mx_sets(const std::string& after,
                                               std::size_t limit) override;
  StoreResult<std::vector<KnownStsPolicy>> sts_policies(const std::string& after,
                                                        std::size_t limit) override;
  StoreResult<std::vector<Suspension>> suspensions(const std::string& after,
                                                   std::size_t limit) override;

 private:
  StoreStatus write_one(const OpenBreaker& fact);
  StoreStatus write_one(const RemoveBreaker& fact);
  StoreStatus write_one(const PutMxSet& fact);
  StoreStatus write_one(const RemoveMxSetsBefore& fact);
  StoreStatus write_one(const KnownStsPolicy& fact);
  StoreStatus write_one(const RemoveStsPoliciesBefore& fact);
  StoreStatus write_one(const Suspension& fact);
  StoreStatus write_one(const RemoveSuspension& fact);
  StoreStatus write_one(const EndSuspension& fact);

  PreparedSql& sql_;
};

class SqliteRecipientChecks final : public RecipientChecks {
 public:
  explicit SqliteRecipientChecks(PreparedSql& sql) : sql_(sql) {}

  StoreStatus write(std::span<const RecipientFact> facts) override;
  StoreResult<std::vector<RecipientCheck>> list(const std::string& after,
                                                std::size_t limit) override;

 private:
  StoreStatus write_one(const RecipientCheck& fact);
  StoreStatus write_one(const RemoveRecipientChecksBefore& fact);

  PreparedSql& sql_;
};

class SqliteClock final : public ClockMemory {
 public:
  explicit SqliteClock(PreparedSql& sql) : sql_(sql) {}

  StoreStatus write(std::span<const ClockFact> facts) override;
  StoreResult<StoredClock> read() override;

 private:
  StoreStatus write_one(const LastSeen& fact);
  StoreStatus write_one(const AllClockGaps& fact);

  PreparedSql& sql_;
};

}  // namespace postwain::qmgr
