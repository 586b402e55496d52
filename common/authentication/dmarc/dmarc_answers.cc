#include "common/authentication/dmarc/dmarc_answers.h"

#include <algorithm>
#include <memory>

namespace postwain::authentication {

namespace {

constexpr std::size_t kDmarcNameMax = 253;

// Several records at one name are none (RFC 9989 4.10 step 2).
std::optional<DmarcRecord> only_dmarc_record(const std::vector<std::string>& texts) {
  std::optional<DmarcRecord> found;
  for (const std::string& text : texts) {
    auto record = parse_dmarc_record(text);
    if (record && found) return std::nullopt;
    if (record) found = std::move(record);
  }
  return found;
}

}  // namespace

const DmarcAnswers::Entry& DmarcAnswers::look(Ask ask, std::string name) {
  auto [at, is_new] = numbers_.try_emplace({ask, std::move(name)}, entries_.size());
  if (is_new) {
    entries_.push_back(std::make_unique<Entry>());
    unasked_.push_back({ask, at->first.second});
  }
  return *entries_[at->second];
}

DmarcLookup DmarcAnswers::record_of(std::string_view domain) {
  std::string name = "_dmarc." + std::string(domain);
  if (name.size() > kDmarcNameMax)
    return {DmarcKnown::yes, nullptr};  // nobody can publish one there
  const Entry& entry = look(Ask::text, std::move(name));
  if (!entry.answered) return {DmarcKnown::not_yet, nullptr};
  if (entry.status == dns::AnswerStatus::temporary) return {DmarcKnown::temporary_failure, nullptr};
  return {DmarcKnown::yes, entry.record ? &*entry.record : nullptr};
}

DmarcWalk DmarcAnswers::walk(std::string_view domain) {
  DmarcWalk walk;
  std::vector<std::string_view> names = walk_names(domain);
  for (std::string_view name : names) record_of(name);
  for (std::string_view name : names) {
    DmarcLookup lookup = record_of(name);
    walk.known = lookup.known;
    if (lookup.known != DmarcKnown::yes) return walk;
    if (lookup.record == nullptr) continue;
    walk.records.push_back({name, lookup.record});
    if (ends_walk(*lookup.record)) return walk;
  }
  return walk;
}

DmarcExistence DmarcAnswers::existence_of(std::string_view domain) {
  bool open = false;
  bool temporary = false;
  bool exists = false;
  for (Ask ask : {Ask::mx, Ask::ipv4, Ask::ipv6}) {
    const Entry& entry = look(ask, std::string(domain));
    open = open || !entry.answered;
    temporary = temporary || (entry.answered && entry.status == dns::AnswerStatus::temporary);
    exists = exists || (entry.answered && (entry.status == dns::AnswerStatus::ok ||
                                           entry.status == dns::AnswerStatus::no_data));
  }
  if (exists) return DmarcExistence::exists;
  if (open) return DmarcExistence::not_yet;
  return temporary ? DmarcExistence::temporary_failure : DmarcExistence::does_not;
}

std::vector<DnsQuestion> DmarcAnswers::take_questions() {
  return std::exchange(unasked_, {});
}

void DmarcAnswers::answer(std::size_t number, const DnsAnswer& answer) {
  if (number >= entries_.size() || entries_[number]->answered) return;
  Entry& entry = *entries_[number];
  entry.answered = true;
  entry.status = answer.status;
  if (answer.status == dns::AnswerStatus::ok) entry.record = only_dmarc_record(answer.values);
}

}  // namespace postwain::authentication
