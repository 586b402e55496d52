// A zone for tests of DMARC: what is not in it does not exist. It runs an evaluation and counts
// what that asks.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "common/authentication/dmarc/dmarc_evaluation.h"

namespace postwain::authentication {

struct DmarcZone {
  std::map<std::string, std::vector<std::string>> records;  // by domain, without "_dmarc."
  std::vector<std::string> existing{};                      // names with some other record
  std::vector<std::string> failing{};                       // domains whose record nobody gets
  bool existence_fails = false;

  DnsAnswer answer_to(const DnsQuestion& question) const {
    if (question.ask != Ask::text) {
      if (existence_fails) return {dns::AnswerStatus::temporary};
      bool exists = std::find(existing.begin(), existing.end(), question.name) != existing.end();
      return {exists ? dns::AnswerStatus::no_data : dns::AnswerStatus::no_such_name};
    }
    std::string domain = question.name.substr(7);
    if (std::find(failing.begin(), failing.end(), domain) != failing.end())
      return {dns::AnswerStatus::temporary};
    auto found = records.find(domain);
    if (found == records.end()) return {dns::AnswerStatus::no_such_name};
    return {dns::AnswerStatus::ok, found->second};
  }
};

struct DmarcRun {
  DmarcResult result;
  std::vector<std::string> asked;  // in their order; existence as "mx NAME" and so on
};

// last_first: answers come in the opposite order of the questions that are under way.
inline DmarcRun run(const DmarcZone& zone, const DmarcInput& input, bool last_first = false) {
  static const std::map<Ask, std::string> kKinds = {
      {Ask::text, ""}, {Ask::mx, "mx "}, {Ask::ipv4, "a "}, {Ask::ipv6, "aaaa "}};
  DmarcEvaluation evaluation(input);
  DmarcRun out;
  std::deque<std::pair<std::size_t, DnsQuestion>> open;
  for (;;) {
    for (DnsQuestion& question : evaluation.take_questions()) {
      std::size_t number = out.asked.size();
      out.asked.push_back(kKinds.at(question.ask) + question.name);
      open.emplace_back(number, std::move(question));
    }
    if (evaluation.done() || open.empty()) break;
    auto next = last_first ? open.back() : open.front();
    last_first ? open.pop_back() : open.pop_front();
    evaluation.answer(next.first, zone.answer_to(next.second));
  }
  out.result = evaluation.result();
  return out;
}

}  // namespace postwain::authentication
