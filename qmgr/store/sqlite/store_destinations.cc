// What is known of destinations besides their work: the hosts behind them, and suspensions.
#include <fmt/format.h>

#include "common/base/sane_time.h"
#include "common/base/text.h"

#include "qmgr/disk/failpoint.h"
#include "qmgr/model/row_id.h"
#include "qmgr/store/sqlite/store.h"

namespace postwain::qmgr {

namespace {

// In the database 0 stands for "until further notice".
std::int64_t number_of_end(WallTime until) {
  return until == WallTime::max() ? 0 : to_unix_ms(until);
}

}  // namespace

Status Store::put_mx_set(const KnownMxSet& known, WallTime now) {
  Use use(sql(Sql::put_mx_set));
  if (!use.text(known.destination).text(known.hosts).number(to_unix_ms(now)).done())
    return error(Sql::put_mx_set);
  return {};
}

Status Store::remove_mx_sets_before(WallTime time) {
  Use use(sql(Sql::remove_mx_sets));
  if (!use.number(to_unix_ms(time)).done()) return error(Sql::remove_mx_sets);
  return {};
}

Result<std::vector<KnownMxSet>> Store::mx_sets(const std::string& after, std::size_t limit) {
  std::vector<KnownMxSet> found;
  Use use(sql(Sql::list_mx_sets));
  use.text(after).number(static_cast<std::int64_t>(limit));
  for (;;) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return error(Sql::list_mx_sets);
    if (step == Use::Step::done) return found;
    KnownMxSet known;
    known.destination = use.text();
    known.hosts = use.text();
    found.push_back(std::move(known));
  }
}

Status Store::put_sts_policy(const std::string& domain, const mail::StsPolicy& policy) {
  std::string hosts = fmt::format("{}", fmt::join(policy.hosts, ","));
  Use use(sql(Sql::put_sts_policy));
  use.text(domain)
      .text(policy.id)
      .number(static_cast<std::int64_t>(policy.mode))
      .text(hosts)
      .number(policy.max_age)
      .number(to_unix_ms(policy.fetched_at));
  if (!use.done()) return error(Sql::put_sts_policy);
  return {};
}

Status Store::remove_sts_policies_before(WallTime fetched) {
  Use use(sql(Sql::remove_sts_policies));
  if (!use.number(to_unix_ms(fetched)).done()) return error(Sql::remove_sts_policies);
  return {};
}

Result<std::vector<KnownStsPolicy>> Store::sts_policies(const std::string& after,
                                                        std::size_t limit) {
  std::vector<KnownStsPolicy> found;
  Use use(sql(Sql::list_sts_policies));
  use.text(after).number(static_cast<std::int64_t>(limit));
  for (;;) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return error(Sql::list_sts_policies);
    if (step == Use::Step::done) return found;
    KnownStsPolicy known;
    known.domain = use.text();
    known.policy.id = use.text();
    known.policy.mode = static_cast<mail::StsPolicy::Mode>(use.number());
    std::string hosts = use.text();
    for (std::string_view host : split(hosts, ','))
      if (!host.empty()) known.policy.hosts.emplace_back(host);
    known.policy.max_age = static_cast<std::uint32_t>(use.number());
    known.policy.fetched_at = sane_time(use.number());
    found.push_back(std::move(known));
  }
}

Status Store::bring_forward(const std::string& destination, WallTime now, std::size_t limit) {
  Use use(sql(Sql::bring_forward));
  use.text(destination)
      .number(to_unix_ms(now))
      .number(static_cast<std::int64_t>(mail::Stage::hello))
      .number(static_cast<std::int64_t>(limit));
  if (!use.done()) return error(Sql::bring_forward);
  return {};
}

Status Store::move(const std::vector<Moved>& recipients) {
  for (const Moved& one : recipients) {
    Use use(sql(Sql::move_recipient));
    use.number(number_of(one.id)).number(one.index).text(one.destination);
    if (!use.done()) return error(Sql::move_recipient);
  }
  return {};
}

Status Store::put_suspension(const Suspension& suspension) {
  Use use(sql(Sql::put_suspension));
  use.text(suspension.destination)
      .number(to_unix_ms(suspension.since))
      .number(number_of_end(suspension.until))
      .text(suspension.author)
      .text(suspension.reason);
  if (!use.done()) return error(Sql::put_suspension);
  return {};
}

Status Store::remove_suspension(const std::string& destination) {
  Use use(sql(Sql::remove_suspension));
  if (!use.text(destination).done()) return error(Sql::remove_suspension);
  return {};
}

Result<std::vector<Suspension>> Store::suspensions(const std::string& after, std::size_t limit) {
  std::vector<Suspension> found;
  Use use(sql(Sql::list_suspensions));
  use.text(after).number(static_cast<std::int64_t>(limit));
  for (;;) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return error(Sql::list_suspensions);
    if (step == Use::Step::done) return found;
    Suspension one;
    one.destination = use.text();
    one.since = sane_time(use.number());
    std::int64_t until = use.number();
    if (until != 0) one.until = sane_time(until);
    one.author = use.text();
    one.reason = use.text();
    found.push_back(std::move(one));
  }
}

// --- recipients --------------------------------------------------------------------------------

Status Store::put_recipient_check(const RecipientCheck& check) {
  if (Status s = failpoint(Failpoint::fact_write); !s) return s;
  std::string enhanced = check.reply.enhanced.text();
  Use use(sql(Sql::put_recipient_check));
  use.text(check.address)
      .flag(check.good)
      .number(check.reply.code)
      .text(enhanced)
      .text(check.reply.text)
      .number(to_unix_ms(check.at));
  if (!use.done()) return error(Sql::put_recipient_check);
  return {};
}

Status Store::remove_recipient_checks_before(WallTime time) {
  Use use(sql(Sql::remove_recipient_checks));
  if (!use.number(to_unix_ms(time)).done()) return error(Sql::remove_recipient_checks);
  return {};
}

Result<std::vector<RecipientCheck>> Store::recipient_checks(const std::string& after,
                                                            std::size_t limit) {
  std::vector<RecipientCheck> found;
  Use use(sql(Sql::list_recipient_checks));
  use.text(after).number(static_cast<std::int64_t>(limit));
  for (;;) {
    Use::Step step = use.step();
    if (step == Use::Step::failed) return error(Sql::list_recipient_checks);
    if (step == Use::Step::done) return found;
    RecipientCheck one;
    one.address = use.text();
    one.good = use.flag();
    one.reply.code = static_cast<int>(use.number());
    one.reply.enhanced = mail::EnhancedCode::parse(use.text());
    one.reply.text = use.text();
    one.at = sane_time(use.number());
    found.push_back(std::move(one));
  }
}

}  // namespace postwain::qmgr
