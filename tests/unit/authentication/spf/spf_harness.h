// A DNS made of tables, and evaluations over it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "common/authentication/spf/spf_check.h"
#include "common/base/check.h"

namespace postwain::authentication::testing {

// Names that are not in it do not exist, in any type; those that are have no data in other types.
class FakeDns {
 public:
  FakeDns& text(const std::string& name, std::string value) {
    entry(Ask::text, name).values.push_back(std::move(value));
    return *this;
  }
  FakeDns& address(const std::string& name, std::string value) {
    Ask ask = value.find(':') == std::string::npos ? Ask::ipv4 : Ask::ipv6;
    entry(ask, name).values.push_back(std::move(value));
    return *this;
  }
  FakeDns& mx(const std::string& name, std::string host, std::uint16_t preference = 10) {
    entry(Ask::mx, name).hosts.push_back({preference, std::move(host)});
    return *this;
  }
  FakeDns& pointer(const std::string& client, std::string name) {
    entry(Ask::names, client).values.push_back(std::move(name));
    return *this;
  }
  FakeDns& fails(Ask ask, const std::string& name) {
    entry(ask, name) = {};
    return *this;
  }

  DnsAnswer answer(const DnsQuestion& question) const {
    auto found = answers_.find({question.ask, question.name});
    if (found != answers_.end()) return found->second;
    DnsAnswer none;
    bool exists = std::any_of(answers_.begin(), answers_.end(),
                              [&](const auto& one) { return one.first.second == question.name; });
    none.status = exists ? dns::AnswerStatus::no_data : dns::AnswerStatus::no_such_name;
    return none;
  }

 private:
  DnsAnswer& entry(Ask ask, const std::string& name) {
    DnsAnswer& answer = answers_[{ask, name}];
    answer.status = dns::AnswerStatus::ok;
    return answer;
  }
  std::map<std::pair<Ask, std::string>, DnsAnswer> answers_;
};

// "a mail.example" for each question, in their order; the end of a round is a "|".
struct Run {
  SpfFinding finding;
  std::string asked{};
  std::size_t questions = 0;
};

inline std::string text_of(const DnsQuestion& question) {
  constexpr std::string_view kWords[] = {"txt", "a", "aaaa", "mx", "ptr"};
  return std::string(kWords[static_cast<std::size_t>(question.ask)]) + ' ' + question.name;
}

inline Run run(const FakeDns& dns, const SpfFacts& facts) {
  SpfCheck check(facts);
  Run out;
  while (!check.done()) {
    std::vector<DnsQuestion> questions = check.take_questions();
    PW_CHECK(!questions.empty());
    std::size_t first = out.questions;
    out.questions += questions.size();
    if (first > 0) out.asked += "| ";
    for (const DnsQuestion& question : questions) out.asked += text_of(question) + ' ';
    for (std::size_t i = questions.size(); i > 0; --i)
      check.answer(first + i - 1, dns.answer(questions[i - 1]));
  }
  PW_CHECK(check.take_questions().empty());
  if (!out.asked.empty()) out.asked.pop_back();
  out.finding = check.finding();
  return out;
}

inline SpfFacts facts_of(std::string client, std::string mail_from = "user@example.org") {
  SpfFacts facts;
  facts.client = std::move(client);
  facts.helo = "mail.example.org";
  facts.mail_from = std::move(mail_from);
  facts.receiver = "mx.receiver.example";
  facts.now = from_unix_ms(1'700'000'000'999);
  facts.wants_explanation = true;
  return facts;
}

inline std::string result_of(const FakeDns& dns, const SpfFacts& facts) {
  return std::string(name_of(run(dns, facts).finding.result));
}

}  // namespace postwain::authentication::testing
