#include "qmgr/store/sqlite/sqlite_facts.h"

#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/sane_time.h"
#include "common/base/text.h"

#include "qmgr/verdicts/observed_time.h"

namespace postwain::qmgr {

namespace {

// In the database 0 stands for "until further notice".
std::int64_t number_of_end(WallTime until) {
  return until == WallTime::max() ? 0 : to_unix_ms(until);
}

// Steps a statement that gives no rows and has one parameter.
template <class Value>
StoreStatus run_with(PreparedSql& sql, Sql which, const Value& value) {
  Use use(sql[which]);
  if constexpr (std::is_same_v<Value, WallTime>)
    use.number(to_unix_ms(value));
  else
    use.text(value);
  if (!use.done()) return sql.error(which);
  return {};
}

// The rows of a statement whose parameters are a name and a limit.
template <class T, class Read>
StoreResult<std::vector<T>> list_above(PreparedSql& sql, Sql which, const std::string& after,
                                       std::size_t limit, Read read) {
  std::vector<T> found;
  Use use(sql[which]);
  use.text(after).number(static_cast<std::int64_t>(limit));
  for (;;) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return sql.error(which);
    if (step == Use::Step::done) return found;
    found.push_back(read(use));
  }
}

OpenBreaker read_breaker(Use& use) {
  OpenBreaker breaker;
  breaker.destination = use.text();
  breaker.opens = static_cast<std::uint32_t>(use.number());
  breaker.opened_at = sane_time(use.number());
  breaker.hold_until = sane_time(use.number());
  breaker.reason = use.text();
  return breaker;
}

KnownMxSet read_mx_set(Use& use) {
  KnownMxSet known;
  known.destination = use.text();
  known.hosts = use.text();
  return known;
}

KnownStsPolicy read_sts_policy(Use& use) {
  KnownStsPolicy known;
  known.domain = use.text();
  known.policy.id = use.text();
  known.policy.mode = static_cast<mail::StsPolicy::Mode>(use.number());
  std::string hosts = use.text();
  for (std::string_view host : split(hosts, ','))
    if (!host.empty()) known.policy.hosts.emplace_back(host);
  known.policy.max_age = static_cast<std::uint32_t>(use.number());
  known.policy.fetched_at = sane_time(use.number());
  return known;
}

Suspension read_suspension(Use& use) {
  Suspension one;
  one.destination = use.text();
  one.since = sane_time(use.number());
  std::int64_t until = use.number();
  if (until != 0) one.until = sane_time(until);
  one.author = use.text();
  one.reason = use.text();
  return one;
}

RecipientCheck read_recipient_check(Use& use) {
  RecipientCheck one;
  one.address = use.text();
  one.good = use.flag();
  one.reply.code = static_cast<int>(use.number());
  one.reply.enhanced = mail::EnhancedCode::parse(use.text());
  one.reply.text = use.text();
  one.at = sane_time(use.number());
  return one;
}

}  // namespace

// --- destinations -----------------------------------------------------------------------------

StoreStatus SqliteDestinationFacts::write(std::span<const DestinationFact> facts) {
  for (const DestinationFact& fact : facts) {
    StoreStatus done = std::visit([this](const auto& one) { return write_one(one); }, fact);
    if (!done) return done;
  }
  return {};
}

StoreStatus SqliteDestinationFacts::write_one(const OpenBreaker& fact) {
  Use use(sql_[Sql::put_breaker]);
  use.text(fact.destination)
      .number(fact.opens)
      .number(to_unix_ms(fact.opened_at))
      .number(to_unix_ms(fact.hold_until))
      .text(fact.reason);
  if (!use.done()) return sql_.error(Sql::put_breaker);
  return {};
}

StoreStatus SqliteDestinationFacts::write_one(const RemoveBreaker& fact) {
  return run_with(sql_, Sql::remove_breaker, fact.destination);
}

StoreStatus SqliteDestinationFacts::write_one(const PutMxSet& fact) {
  Use use(sql_[Sql::put_mx_set]);
  use.text(fact.known.destination).text(fact.known.hosts).number(to_unix_ms(fact.seen_at));
  if (!use.done()) return sql_.error(Sql::put_mx_set);
  return {};
}

StoreStatus SqliteDestinationFacts::write_one(const RemoveMxSetsBefore& fact) {
  return run_with(sql_, Sql::remove_mx_sets, fact.seen_at);
}

StoreStatus SqliteDestinationFacts::write_one(const KnownStsPolicy& fact) {
  std::string hosts = fmt::format("{}", fmt::join(fact.policy.hosts, ","));
  Use use(sql_[Sql::put_sts_policy]);
  use.text(fact.domain)
      .text(fact.policy.id)
      .number(static_cast<std::int64_t>(fact.policy.mode))
      .text(hosts)
      .number(fact.policy.max_age)
      .number(to_unix_ms(fact.policy.fetched_at));
  if (!use.done()) return sql_.error(Sql::put_sts_policy);
  return {};
}

StoreStatus SqliteDestinationFacts::write_one(const RemoveStsPoliciesBefore& fact) {
  return run_with(sql_, Sql::remove_sts_policies, fact.fetched_at);
}

StoreStatus SqliteDestinationFacts::write_one(const Suspension& fact) {
  Use use(sql_[Sql::put_suspension]);
  use.text(fact.destination)
      .number(to_unix_ms(fact.since))
      .number(number_of_end(fact.until))
      .text(fact.author)
      .text(fact.reason);
  if (!use.done()) return sql_.error(Sql::put_suspension);
  return {};
}

StoreStatus SqliteDestinationFacts::write_one(const RemoveSuspension& fact) {
  return run_with(sql_, Sql::remove_suspension, fact.destination);
}

StoreStatus SqliteDestinationFacts::write_one(const EndSuspension& fact) {
  Use use(sql_[Sql::end_suspension]);
  use.text(fact.destination).number(to_unix_ms(fact.until));
  if (!use.done()) return sql_.error(Sql::end_suspension);
  return {};
}

StoreResult<std::vector<OpenBreaker>> SqliteDestinationFacts::breakers(const std::string& after,
                                                                       std::size_t limit) {
  return list_above<OpenBreaker>(sql_, Sql::list_breakers, after, limit, read_breaker);
}

StoreResult<std::vector<KnownMxSet>> SqliteDestinationFacts::mx_sets(const std::string& after,
                                                                     std::size_t limit) {
  return list_above<KnownMxSet>(sql_, Sql::list_mx_sets, after, limit, read_mx_set);
}

StoreResult<std::vector<KnownStsPolicy>> SqliteDestinationFacts::sts_policies(
    const std::string& after, std::size_t limit) {
  return list_above<KnownStsPolicy>(sql_, Sql::list_sts_policies, after, limit, read_sts_policy);
}

StoreResult<std::vector<Suspension>> SqliteDestinationFacts::suspensions(const std::string& after,
                                                                         std::size_t limit) {
  return list_above<Suspension>(sql_, Sql::list_suspensions, after, limit, read_suspension);
}

// --- recipients -------------------------------------------------------------------------------

StoreStatus SqliteRecipientChecks::write(std::span<const RecipientFact> facts) {
  for (const RecipientFact& fact : facts) {
    StoreStatus done = std::visit([this](const auto& one) { return write_one(one); }, fact);
    if (!done) return done;
  }
  return {};
}

StoreStatus SqliteRecipientChecks::write_one(const RecipientCheck& fact) {
  std::string enhanced = fact.reply.enhanced.text();
  Use use(sql_[Sql::put_recipient_check]);
  use.text(fact.address)
      .flag(fact.good)
      .number(fact.reply.code)
      .text(enhanced)
      .text(fact.reply.text)
      .number(to_unix_ms(fact.at));
  if (!use.done()) return sql_.error(Sql::put_recipient_check);
  return {};
}

StoreStatus SqliteRecipientChecks::write_one(const RemoveRecipientChecksBefore& fact) {
  return run_with(sql_, Sql::remove_recipient_checks, fact.at);
}

StoreResult<std::vector<RecipientCheck>> SqliteRecipientChecks::list(const std::string& after,
                                                                     std::size_t limit) {
  return list_above<RecipientCheck>(sql_, Sql::list_recipient_checks, after, limit,
                                    read_recipient_check);
}

// --- the clock --------------------------------------------------------------------------------

StoreStatus SqliteClock::write(std::span<const ClockFact> facts) {
  for (const ClockFact& fact : facts) {
    StoreStatus done = std::visit([this](const auto& one) { return write_one(one); }, fact);
    if (!done) return done;
  }
  return {};
}

StoreStatus SqliteClock::write_one(const LastSeen& fact) {
  return run_with(sql_, Sql::put_clock, fact.at);
}

// The rows are few; so they are made like the list, whatever changed in it.
StoreStatus SqliteClock::write_one(const AllClockGaps& fact) {
  StoreResult<StoredClock> stored = read();
  if (!stored) return stored.error();
  for (const ClockGap& old : stored->gaps)
    if (StoreStatus s = run_with(sql_, Sql::remove_clock_gap, old.at); !s) return s;
  for (const ClockGap& gap : fact.gaps) {
    Use use(sql_[Sql::put_clock_gap]);
    if (!use.number(to_unix_ms(gap.at)).number(gap.length.count()).done())
      return sql_.error(Sql::put_clock_gap);
  }
  return {};
}

StoreResult<StoredClock> SqliteClock::read() {
  StoredClock clock;
  {
    Use use(sql_[Sql::select_clock]);
    Use::Step step = use.step();
    if (step == Use::Step::failed) return sql_.error(Sql::select_clock);
    if (step == Use::Step::row) clock.last_seen = sane_time(use.number());
  }
  Use use(sql_[Sql::list_clock_gaps]);
  use.number(std::numeric_limits<std::int64_t>::min()).number(2 * kClockGapsMax);
  for (;;) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return sql_.error(Sql::list_clock_gaps);
    if (step == Use::Step::done) return clock;
    WallTime at = sane_time(use.number());
    clock.gaps.push_back({at, Duration(use.number())});
  }
}

}  // namespace postwain::qmgr
