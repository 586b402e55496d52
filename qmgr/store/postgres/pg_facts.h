// What is known of destinations, of recipients at next hops and of the clock, in small tables that
// all nodes share. Facts are few: each is a statement of its own, and all of a batch go out
// together.
#pragma once

#include "qmgr/store/postgres/session/pg_session.h"
#include "qmgr/store/queue_store.h"

namespace postwain::qmgr {

class PgDestinationFacts final : public DestinationFacts {
 public:
  explicit PgDestinationFacts(PgSession& session) : session_(session) {}

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
  PgSession& session_;
};

class PgRecipientChecks final : public RecipientChecks {
 public:
  explicit PgRecipientChecks(PgSession& session) : session_(session) {}

  StoreStatus write(std::span<const RecipientFact> facts) override;
  StoreResult<std::vector<RecipientCheck>> list(const std::string& after,
                                                std::size_t limit) override;

 private:
  PgSession& session_;
};

class PgClock final : public ClockMemory {
 public:
  explicit PgClock(PgSession& session) : session_(session) {}

  StoreStatus write(std::span<const ClockFact> facts) override;
  StoreResult<StoredClock> read() override;

 private:
  PgSession& session_;
};

}  // namespace postwain::qmgr
