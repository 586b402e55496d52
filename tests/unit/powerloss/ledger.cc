#include "tests/unit/powerloss/ledger.h"

#include <algorithm>

#include <fmt/format.h>

namespace postwain::powerloss {

namespace {

Row at(const std::map<Key, Row>& rows, const Key& key) {
  auto found = rows.find(key);
  return found == rows.end() ? Row{} : found->second;
}

std::string name(const Key& key) {
  return fmt::format("recipient {} of message {}", key.second, key.first);
}

}  // namespace

std::string Row::text() const {
  if (!there) return "no row";
  return fmt::format("{} attempts={} next={} in_doubt={}", held ? "held" : "waiting", attempts,
                     next_ms, in_doubt);
}

Row row_of(const qmgr::StoredRecipient& r) {
  return {true, r.state == qmgr::RecipientState::held, r.in_doubt, r.attempts,
          to_unix_ms(r.next_attempt_at)};
}

Ledger::Ledger(const Found& found) : contents_(found.contents) {
  promised(begin("the life before", found.rows, 0), 0);
}

std::size_t Ledger::begin(std::string what, Changes changes, std::size_t position) {
  requests_.push_back({std::move(what), std::move(changes), position, std::nullopt});
  return requests_.size() - 1;
}

void Ledger::promised(std::size_t request, std::size_t position) {
  Request& one = requests_[request];
  if (one.promised) return;
  one.promised = position;
  for (const auto& [key, row] : one.changes) now_[key] = row;
}

std::size_t Ledger::promises() const {
  return static_cast<std::size_t>(std::count_if(
      requests_.begin(), requests_.end(), [](const Request& r) { return r.promised.has_value(); }));
}

std::string Ledger::judge(const Found& found, std::size_t position) const {
  std::string wrong = judge_rows(found, position);
  return wrong.empty() ? judge_contents(found) : wrong;
}

std::string Ledger::judge_rows(const Found& found, std::size_t position) const {
  std::map<Key, Row> sure;                          // as promised
  std::map<Key, std::vector<const Request*>> open;  // may have happened since
  for (const Request& request : requests_) {
    if (request.begun > position) continue;
    bool promised = request.promised && *request.promised <= position;
    for (const auto& [key, row] : request.changes) {
      if (promised) {
        sure[key] = row;
        open.erase(key);
      } else {
        open[key].push_back(&request);
        sure.try_emplace(key);
      }
    }
  }
  for (const auto& [key, row] : found.rows)
    if (!sure.contains(key)) return name(key) + " was never asked for: " + row.text();
  std::map<const Request*, bool> happened;
  for (const auto& [key, promised] : sure) {
    Row seen = at(found.rows, key);
    auto maybe = open.find(key);
    if (maybe == open.end() || maybe->second.size() > 1) {
      bool fits = seen == promised;
      if (maybe != open.end())
        for (const Request* request : maybe->second)
          fits = fits || seen == request->changes.at(key);
      if (fits) continue;
      return fmt::format("{}: promised {}, found {}", name(key), promised.text(), seen.text());
    }
    const Request* request = maybe->second.front();
    const Row& after = request->changes.at(key);
    if (seen != promised && seen != after)
      return fmt::format("{}: promised {}, found {}", name(key), promised.text(), seen.text());
    if (promised == after) continue;
    auto [other, is_first] = happened.emplace(request, seen == after);
    if (!is_first && other->second != (seen == after))
      return fmt::format("{} has happened in part: {} is {}", request->what, name(key),
                         seen.text());
  }
  return {};
}

std::string Ledger::judge_contents(const Found& found) const {
  for (const auto& [id, bytes] : found.contents) {
    auto known = contents_.find(id);
    if (known != contents_.end() && known->second != bytes)
      return fmt::format("content of message {} differs ({} bytes for {})", id, bytes.size(),
                         known->second.size());
  }
  return {};
}

}  // namespace postwain::powerloss
