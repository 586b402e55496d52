// What receivers refused: kept beside the history of messages, found by address or client.
#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/mail/address.h"

#include "qmgr/history/history_store.h"

namespace postwain::qmgr {

namespace {

// An empty address is nobody's, and found by nobody.
std::int64_t hash_of(std::string_view address) {
  return address.empty() ? 0 : lookup_hash(LookupKind::address, address);
}

std::string reply_text(const RefusalRecord& r) {
  if (r.code == 0) return std::string(r.text);
  return mail::Reply{r.code, r.enhanced, std::string(r.text)}.one_line();
}

RefusedAttempt read_refused(Use& use) {
  RefusedAttempt out;
  out.at = from_unix_ms(use.number());
  out.count = static_cast<std::uint32_t>(use.number());
  for (std::string* text : {&out.client_address, &out.client_name, &out.listener, &out.sender,
                            &out.recipient, &out.stage, &out.reply, &out.reason})
    *text = use.text();
  out.judgements = use.view();
  return out;
}

}  // namespace

Status HistoryStore::write_refusal(const RefusalRecord& r) {
  Use use(sql(Sql::put_refusal));
  use.number(r.at).number(r.count).text(r.client).text(r.name).text(r.listener);
  const std::string reply = reply_text(r);
  use.text(r.sender).text(r.recipient).text(r.stage).text(reply).text(r.reason);
  use.number(hash_of(r.sender)).number(hash_of(r.recipient)).blob(r.judgements);
  if (!use.done()) return error(Sql::put_refusal);
  return {};
}

Status HistoryStore::read_refusals(Sql which, std::int64_t hash, const std::string& client,
                                   std::vector<std::pair<std::int64_t, RefusedAttempt>>& found) {
  Use use(sql(which));
  if (which == Sql::refusals_by_client)
    use.text(client);
  else
    use.number(hash);
  use.number(static_cast<std::int64_t>(kTraceFoundMax));
  Use::Step step;
  while ((step = use.step()) == Use::Step::row) {
    std::int64_t number = use.number();
    found.emplace_back(number, read_refused(use));
  }
  if (step == Use::Step::failed) return error(which);
  return {};
}

Result<std::vector<RefusedAttempt>> HistoryStore::find_refusals(const std::string& address,
                                                                const std::string& client,
                                                                std::size_t limit) {
  std::string_view bare = without_brackets(address);
  const std::string key = bare.empty() ? std::string() : mail::address_key(bare);
  std::vector<std::pair<std::int64_t, RefusedAttempt>> rows;
  std::vector<Sql> ways;
  if (!client.empty())
    ways = {Sql::refusals_by_client};
  else if (!key.empty())
    ways = {Sql::refusals_by_sender, Sql::refusals_by_recipient};
  for (Sql which : ways)
    if (Status s = read_refusals(which, hash_of(bare), client, rows); !s) return s.error();
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<RefusedAttempt> found;
  std::int64_t last = 0;
  for (auto& [number, one] : rows) {
    if (found.size() == limit) break;
    // From somebody to himself: it is found twice.
    if (std::exchange(last, number) == number || !is_meant(one, key, client)) continue;
    found.push_back(std::move(one));
  }
  return found;
}

// 0: there is none.
Result<std::int64_t> HistoryStore::refusal_number(Sql which) {
  Use use(sql(which));
  Use::Step step = use.step();
  if (step == Use::Step::failed) return error(which);
  return step == Use::Step::row ? use.number() : std::int64_t{0};
}

// Looks at the oldest only, so a step costs the same however many there are.
Result<bool> HistoryStore::prune_refusals(WallTime before) {
  auto first = refusal_number(Sql::first_refusal);
  auto last = refusal_number(Sql::last_refusal);
  if (!first || !last) return first ? last.error() : first.error();
  if (*first == 0) return false;
  Use use(sql(Sql::remove_refusals));
  use.number(*first).number(*first + static_cast<std::int64_t>(kRefusalsPruned));
  if (!use.number(to_unix_ms(before)).number(*last - kRefusalsMax).done())
    return error(Sql::remove_refusals);
  return db_.changes() > 0 && *first + static_cast<std::int64_t>(kRefusalsPruned) <= *last;
}

}  // namespace postwain::qmgr
