#include "qmgr/store/postgres/pg_facts.h"

#include <map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/sane_time.h"
#include "common/base/text.h"

#include "qmgr/store/postgres/pg_values.h"
#include "qmgr/verdicts/observed_time.h"

namespace postwain::qmgr {

namespace {

// --- writing ----------------------------------------------------------------------------------

PgCommand command_of(const OpenBreaker& fact) {
  return {Pg::put_breaker, PgParameters()
                               .bytes(fact.destination)
                               .int8(fact.opens)
                               .int8(to_unix_ms(fact.opened_at))
                               .int8(to_unix_ms(fact.hold_until))
                               .bytes(fact.reason)};
}

PgCommand command_of(const RemoveBreaker& fact) {
  return {Pg::remove_breaker, PgParameters().bytes(fact.destination)};
}

PgCommand command_of(const PutMxSet& fact) {
  return {Pg::put_mx_set, PgParameters()
                              .bytes(fact.known.destination)
                              .bytes(fact.known.hosts)
                              .int8(to_unix_ms(fact.seen_at))};
}

PgCommand command_of(const RemoveMxSetsBefore& fact) {
  return {Pg::remove_mx_sets, PgParameters().int8(to_unix_ms(fact.seen_at))};
}

PgCommand command_of(const KnownStsPolicy& fact) {
  return {Pg::put_sts_policy, PgParameters()
                                  .bytes(fact.domain)
                                  .bytes(fact.policy.id)
                                  .int2(static_cast<std::int64_t>(fact.policy.mode))
                                  .bytes(fmt::format("{}", fmt::join(fact.policy.hosts, ",")))
                                  .int8(fact.policy.max_age)
                                  .int8(to_unix_ms(fact.policy.fetched_at))};
}

PgCommand command_of(const RemoveStsPoliciesBefore& fact) {
  return {Pg::remove_sts_policies, PgParameters().int8(to_unix_ms(fact.fetched_at))};
}

// In the database 0 stands for "until further notice".
PgCommand command_of(const Suspension& fact) {
  return {Pg::put_suspension, PgParameters()
                                  .bytes(fact.destination)
                                  .int8(to_unix_ms(fact.since))
                                  .int8(fact.until == WallTime::max() ? 0 : to_unix_ms(fact.until))
                                  .bytes(fact.author)
                                  .bytes(fact.reason)};
}

PgCommand command_of(const RemoveSuspension& fact) {
  return {Pg::remove_suspension, PgParameters().bytes(fact.destination)};
}

PgCommand command_of(const EndSuspension& fact) {
  return {Pg::end_suspension, PgParameters().bytes(fact.destination).int8(to_unix_ms(fact.until))};
}

PgCommand command_of(const RecipientCheck& fact) {
  return {Pg::put_recipient_check, PgParameters()
                                       .bytes(fact.address)
                                       .int2(fact.good ? 1 : 0)
                                       .int2(fact.reply.code)
                                       .bytes(fact.reply.enhanced.text())
                                       .bytes(fact.reply.text)
                                       .int8(to_unix_ms(fact.at))};
}

PgCommand command_of(const RemoveRecipientChecksBefore& fact) {
  return {Pg::remove_recipient_checks, PgParameters().int8(to_unix_ms(fact.at))};
}

template <class Fact>
StoreStatus defer_all(PgSession& session, std::span<const Fact> facts) {
  for (const Fact& fact : facts) {
    PgCommand command = std::visit([](const auto& one) { return command_of(one); }, fact);
    session.defer(command.statement, std::move(command.parameters));
  }
  return {};
}

// --- reading ----------------------------------------------------------------------------------

// The rows of a statement whose parameters are a name and a limit.
template <class T, class Read>
StoreResult<std::vector<T>> list_facts(PgSession& session, Pg statement, const std::string& after,
                                       std::size_t limit, Read read) {
  auto result =
      session.run(statement, PgParameters().bytes(after).int8(static_cast<std::int64_t>(limit)));
  if (!result) return result.error();
  std::vector<T> found;
  for (int i = 0; i < result->rows(); ++i) {
    PgReader row(*result, i);
    found.push_back(read(row));
    if (!row.done()) return strange_answer();
  }
  return found;
}

OpenBreaker pg_breaker(PgReader& row) {
  return {row.text(), pg_count(row.number()), sane_time(row.number()), sane_time(row.number()),
          row.text()};
}

KnownMxSet pg_mx_set(PgReader& row) {
  return {row.text(), row.text()};
}

KnownStsPolicy pg_sts_policy(PgReader& row) {
  KnownStsPolicy known;
  known.domain = row.text();
  known.policy.id = row.text();
  known.policy.mode = pg_enum(row.number(), mail::StsPolicy::Mode::enforce);
  for (std::string_view host : split(row.view(), ','))
    if (!host.empty()) known.policy.hosts.emplace_back(host);
  known.policy.max_age = pg_count(row.number());
  known.policy.fetched_at = sane_time(row.number());
  return known;
}

Suspension pg_suspension(PgReader& row) {
  Suspension one;
  one.destination = row.text();
  one.since = sane_time(row.number());
  std::int64_t until = row.number();
  if (until != 0) one.until = sane_time(until);
  one.author = row.text();
  one.reason = row.text();
  return one;
}

RecipientCheck pg_recipient_check(PgReader& row) {
  RecipientCheck one;
  one.address = row.text();
  one.good = row.flag();
  one.reply.code = static_cast<int>(row.number());
  one.reply.enhanced = mail::EnhancedCode::parse(row.view());
  one.reply.text = row.text();
  one.at = sane_time(row.number());
  return one;
}

}  // namespace

// --- destinations -----------------------------------------------------------------------------

StoreStatus PgDestinationFacts::write(std::span<const DestinationFact> facts) {
  return defer_all(session_, facts);
}

StoreResult<std::vector<OpenBreaker>> PgDestinationFacts::breakers(const std::string& after,
                                                                   std::size_t limit) {
  return list_facts<OpenBreaker>(session_, Pg::list_breakers, after, limit, pg_breaker);
}

StoreResult<std::vector<KnownMxSet>> PgDestinationFacts::mx_sets(const std::string& after,
                                                                 std::size_t limit) {
  return list_facts<KnownMxSet>(session_, Pg::list_mx_sets, after, limit, pg_mx_set);
}

StoreResult<std::vector<KnownStsPolicy>> PgDestinationFacts::sts_policies(const std::string& after,
                                                                          std::size_t limit) {
  return list_facts<KnownStsPolicy>(session_, Pg::list_sts_policies, after, limit, pg_sts_policy);
}

StoreResult<std::vector<Suspension>> PgDestinationFacts::suspensions(const std::string& after,
                                                                     std::size_t limit) {
  return list_facts<Suspension>(session_, Pg::list_suspensions, after, limit, pg_suspension);
}

// --- recipients -------------------------------------------------------------------------------

StoreStatus PgRecipientChecks::write(std::span<const RecipientFact> facts) {
  return defer_all(session_, facts);
}

StoreResult<std::vector<RecipientCheck>> PgRecipientChecks::list(const std::string& after,
                                                                 std::size_t limit) {
  return list_facts<RecipientCheck>(session_, Pg::list_recipient_checks, after, limit,
                                    pg_recipient_check);
}

// --- the clock --------------------------------------------------------------------------------

// The list of gaps is made anew: its rows are few.
StoreStatus PgClock::write(std::span<const ClockFact> facts) {
  for (const ClockFact& fact : facts) {
    if (const auto* seen = std::get_if<LastSeen>(&fact)) {
      session_.defer(Pg::put_clock, PgParameters().int8(to_unix_ms(seen->at)));
      continue;
    }
    std::map<std::int64_t, std::int64_t> lengths;
    for (const ClockGap& gap : std::get<AllClockGaps>(fact).gaps)
      lengths[to_unix_ms(gap.at)] = gap.length.count();
    PgArray at(PgArray::Element::int8);
    PgArray length(PgArray::Element::int8);
    for (const auto& [begin, ms] : lengths) {
      at.number(begin);
      length.number(ms);
    }
    session_.defer(Pg::remove_clock_gaps);
    session_.defer(Pg::put_clock_gaps,
                   PgParameters().array(std::move(at)).array(std::move(length)));
  }
  return {};
}

StoreResult<StoredClock> PgClock::read() {
  std::vector<PgCommand> commands;
  commands.push_back({Pg::select_clock, {}});
  commands.push_back({Pg::list_clock_gaps, PgParameters().int8(2 * kClockGapsMax)});
  auto results = session_.run(std::move(commands));
  if (!results) return results.error();
  StoredClock clock;
  PgReader seen((*results)[0], 0);
  clock.last_seen = sane_time(seen.number());
  if (!seen.done()) return strange_answer();
  for (int i = 0; i < (*results)[1].rows(); ++i) {
    PgReader row((*results)[1], i);
    WallTime at = sane_time(row.number());
    clock.gaps.push_back({at, Duration(row.number())});
    if (!row.done()) return strange_answer();
  }
  return clock;
}

}  // namespace postwain::qmgr
