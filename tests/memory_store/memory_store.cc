#include "tests/memory_store/memory_store.h"

#include "common/base/check.h"

#include "tests/memory_store/memory_messages.h"
#include "tests/memory_store/memory_pieces.h"

namespace postwain::qmgr::test {

void MemoryState::remove_message(mail::QueueId id) {
  messages.erase(id);
  contents.erase(id);
  recipients.erase(recipients.lower_bound({id, 0}), recipients.upper_bound({id, UINT32_MAX}));
}

namespace {

// Those of a map above a name.
template <class T, class Map, class Make>
StoreResult<std::vector<T>> above(const Map& map, const std::string& after, std::size_t limit,
                                  Make make) {
  std::vector<T> out;
  for (auto at = map.upper_bound(after); at != map.end() && out.size() < limit; ++at)
    out.push_back(make(*at));
  return out;
}

class MemoryDestinations final : public DestinationFacts {
 public:
  explicit MemoryDestinations(MemoryState& state) : state_(state) {}

  StoreStatus write(std::span<const DestinationFact> facts) override {
    for (const DestinationFact& fact : facts)
      std::visit([this](const auto& one) { write_one(one); }, fact);
    return {};
  }
  StoreResult<std::vector<OpenBreaker>> breakers(const std::string& after,
                                                 std::size_t limit) override {
    return above<OpenBreaker>(state_.breakers, after, limit, [](auto& one) { return one.second; });
  }
  StoreResult<std::vector<KnownMxSet>> mx_sets(const std::string& after,
                                               std::size_t limit) override {
    return above<KnownMxSet>(state_.mx_sets, after, limit,
                             [](auto& one) { return one.second.known; });
  }
  StoreResult<std::vector<KnownStsPolicy>> sts_policies(const std::string& after,
                                                        std::size_t limit) override {
    return above<KnownStsPolicy>(state_.sts_policies, after, limit, [](auto& one) {
      return KnownStsPolicy{one.first, one.second};
    });
  }
  StoreResult<std::vector<Suspension>> suspensions(const std::string& after,
                                                   std::size_t limit) override {
    return above<Suspension>(state_.suspensions, after, limit,
                             [](auto& one) { return one.second; });
  }

 private:
  void write_one(const OpenBreaker& fact) { state_.breakers[fact.destination] = fact; }
  void write_one(const RemoveBreaker& fact) { state_.breakers.erase(fact.destination); }
  void write_one(const PutMxSet& fact) { state_.mx_sets[fact.known.destination] = fact; }
  void write_one(const RemoveMxSetsBefore& fact) {
    std::erase_if(state_.mx_sets, [&](auto& one) { return one.second.seen_at < fact.seen_at; });
  }
  void write_one(const KnownStsPolicy& fact) { state_.sts_policies[fact.domain] = fact.policy; }
  void write_one(const RemoveStsPoliciesBefore& fact) {
    std::erase_if(state_.sts_policies,
                  [&](auto& one) { return one.second.fetched_at < fact.fetched_at; });
  }
  void write_one(const Suspension& fact) { state_.suspensions[fact.destination] = fact; }
  void write_one(const RemoveSuspension& fact) { state_.suspensions.erase(fact.destination); }
  void write_one(const EndSuspension& fact) {
    auto found = state_.suspensions.find(fact.destination);
    if (found != state_.suspensions.end() && found->second.until <= fact.until)
      state_.suspensions.erase(found);
  }

  MemoryState& state_;
};

class MemoryRecipientChecks final : public RecipientChecks {
 public:
  explicit MemoryRecipientChecks(MemoryState& state) : state_(state) {}

  StoreStatus write(std::span<const RecipientFact> facts) override {
    for (const RecipientFact& fact : facts) {
      if (const auto* check = std::get_if<RecipientCheck>(&fact))
        state_.recipient_checks[check->address] = *check;
      else
        std::erase_if(state_.recipient_checks, [&](auto& one) {
          return one.second.at < std::get<RemoveRecipientChecksBefore>(fact).at;
        });
    }
    return {};
  }
  StoreResult<std::vector<RecipientCheck>> list(const std::string& after,
                                                std::size_t limit) override {
    return above<RecipientCheck>(state_.recipient_checks, after, limit,
                                 [](auto& one) { return one.second; });
  }

 private:
  MemoryState& state_;
};

class MemoryClock final : public ClockMemory {
 public:
  explicit MemoryClock(MemoryState& state) : state_(state) {}

  StoreStatus write(std::span<const ClockFact> facts) override {
    for (const ClockFact& fact : facts) {
      if (const auto* seen = std::get_if<LastSeen>(&fact))
        state_.clock.last_seen = seen->at;
      else
        state_.clock.gaps = std::get<AllClockGaps>(fact).gaps;
    }
    return {};
  }
  StoreResult<StoredClock> read() override { return state_.clock; }

 private:
  MemoryState& state_;
};

// Names end only where that is said: a test that settles knows itself who has ended.
class MemoryAttempts final : public AttemptNames {
 public:
  explicit MemoryAttempts(MemoryState& state) : state_(state) {}

  StoreStatus write(std::span<const AttemptFact> facts) override {
    for (const AttemptFact& fact : facts) {
      if (const auto* more = std::get_if<NameAttempts>(&fact))
        state_.names.insert(state_.names.end(), more->names.begin(), more->names.end());
      else
        for (const AttemptName& one : std::get<EndAttempts>(fact).names)
          std::erase(state_.names, one);
    }
    return {};
  }

 private:
  MemoryState& state_;
};

// There is nothing to be kept up, but a test may say that there is.
class MemoryMaintenance final : public Maintenance {
 public:
  explicit MemoryMaintenance(MemoryState& state) : state_(state) {}

  std::int64_t log_bytes() const override { return 0; }
  StoreStatus checkpoint(bool wholly) override {
    if (wholly) ++state_.whole_checkpoints;
    return {};
  }
  StoreResult<bool> vacuum_step() override {
    if (state_.no_room) return StoreError{StoreError::Kind::full, "no room (test)"};
    if (state_.free_steps == 0) return false;
    --state_.free_steps;
    return true;
  }
  void keep_log_file() override {}
  StoreStatus prove_writable() override {
    if (state_.no_room) return StoreError{StoreError::Kind::full, "no room (test)"};
    return {};
  }
  bool was_unclean() const override { return false; }
  StoreResult<bool> check(Duration) override { return true; }
  StoreResult<std::unique_ptr<StoreCopy>> begin_copy(const std::string&) override {
    return StoreError{StoreError::Kind::refused, "the store in memory has no copies"};
  }

 private:
  MemoryState& state_;
};

}  // namespace

struct MemoryStore::Parts {
  explicit Parts(MemoryState& state)
      : compact(state),
        rows(state),
        scan(state),
        waiting(state),
        destinations(state),
        recipient_checks(state),
        clock(state),
        maintenance(state),
        pieces(state),
        attempts(state) {}
  MemoryCompact compact;
  MemoryRows rows;
  MemoryScan scan;
  MemoryWaiting waiting;
  MemoryDestinations destinations;
  MemoryRecipientChecks recipient_checks;
  MemoryClock clock;
  MemoryMaintenance maintenance;
  MemoryPieces pieces;
  MemoryAttempts attempts;
};

MemoryStore::MemoryStore(std::shared_ptr<MemoryState> state)
    : state_(std::move(state)), parts_(std::make_unique<Parts>(*state_)) {}

// What was not committed is gone, as after a kill.
MemoryStore::~MemoryStore() {
  roll_back();
}

StoreStatus MemoryStore::begin() {
  PW_CHECK(!before_);
  state_->logged = 0;
  before_ = *state_;
  return {};
}

StoreStatus MemoryStore::commit() {
  PW_CHECK(before_);
  if (times_ == 0) failing_.reset();
  if (times_ > 0) --times_;
  if (std::exchange(silent_, false) && tell_) tell_();
  if (failing_) return StoreError{*failing_, "the commit fails (test)"};
  before_.reset();
  if (state_->bodies) (void)state_->bodies->drop(state_->leaving);
  state_->leaving.clear();
  return {};
}

void MemoryStore::roll_back() {
  if (!before_) return;
  *state_ = std::move(*before_);
  before_.reset();
}

CompactMessages& MemoryStore::compact() {
  return parts_->compact;
}
MessageRows& MemoryStore::rows() {
  return parts_->rows;
}
RowScan& MemoryStore::scan() {
  return parts_->scan;
}
WaitingRows& MemoryStore::waiting() {
  return parts_->waiting;
}
DestinationFacts& MemoryStore::destinations() {
  return parts_->destinations;
}
RecipientChecks& MemoryStore::recipient_checks() {
  return parts_->recipient_checks;
}
ClockMemory& MemoryStore::clock() {
  return parts_->clock;
}
AttemptNames* MemoryStore::attempts() {
  return state_->is_shared ? &parts_->attempts : nullptr;
}

ContentPieces* MemoryStore::pieces() {
  return state_->bodies ? &parts_->pieces : nullptr;
}
Maintenance& MemoryStore::maintenance() {
  return parts_->maintenance;
}

}  // namespace postwain::qmgr::test
