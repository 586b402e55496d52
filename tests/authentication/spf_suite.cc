// The SPF evaluator behind lines of text, for tests that compare it with the published suite of RFC
// 7208 and with another implementation. It plays the resolver, too, over zones that it is told.
//
// Fields of a line are separated by tabs; %XY is an octet in hexadecimal digits.
//     zone                              what was said so far is forgotten
//     void NUMBER                       terms that may find nothing
//     record NAME TYPE VALUE [NUMBER]   TXT, A, AAAA, MX (with its preference), PTR or CNAME
//     timeout NAME                      questions about it that no record answers fail
//     check CLIENT HELO SENDER          answered by a line: result, mechanism, reason, explanation,
//                                       questions, rounds of questions
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/spf/spf_check.h"
#include "common/base/check.h"
#include "common/base/text.h"
#include "common/dns/answer.h"

using namespace postwain;
using namespace postwain::authentication;

namespace {

std::string decoded(std::string_view field) {
  std::string out;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] != '%' || i + 2 >= field.size()) {
      out += field[i];
      continue;
    }
    out += static_cast<char>(hex_value(field[i + 1]) * 16 + hex_value(field[i + 2]));
    i += 2;
  }
  return out;
}

std::string plain(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return to_lower(name);
}

std::string_view type_of(Ask ask) {
  switch (ask) {
    case Ask::text:
      return "TXT";
    case Ask::ipv4:
      return "A";
    case Ask::ipv6:
      return "AAAA";
    case Ask::mx:
      return "MX";
    case Ask::names:
      break;
  }
  return "PTR";
}

class Zone {
 public:
  void add(const std::vector<std::string>& fields) {
    auto preference =
        parse_decimal<std::uint16_t>(fields.size() > 4 ? fields[4] : std::string("0"));
    records_[plain(fields[1])][fields[2]].push_back({preference.value_or(0), fields[3]});
  }
  void add_timeout(std::string_view name) { timeouts_.insert(plain(name)); }

  DnsAnswer answer(const DnsQuestion& question) const {
    std::string name =
        question.ask == Ask::names ? dns::reverse_name(question.name) : question.name;
    for (std::size_t cnames = 0; cnames <= dns::kCnameChainMax; ++cnames) {
      auto types = records_.find(plain(name));
      auto found = [&](std::string_view type) {
        return types == records_.end() ? nullptr : list_of(types->second, type);
      };
      if (const Values* values = found(type_of(question.ask))) return filled(question.ask, *values);
      const Values* alias = found("CNAME");
      if (alias == nullptr) return negative(name, types != records_.end());
      name = alias->front().host;
    }
    return {};
  }

 private:
  using Values = std::vector<dns::MxRecord>;  // a value without preference is a host alone
  using Types = std::map<std::string, Values, std::less<>>;

  static const Values* list_of(const Types& types, std::string_view type) {
    auto found = types.find(type);
    return found == types.end() ? nullptr : &found->second;
  }
  DnsAnswer negative(std::string_view name, bool exists) const {
    DnsAnswer answer;
    if (timeouts_.contains(plain(name))) return answer;
    answer.status = exists ? dns::AnswerStatus::no_data : dns::AnswerStatus::no_such_name;
    return answer;
  }
  static DnsAnswer filled(Ask ask, const Values& values) {
    DnsAnswer answer;
    answer.status = dns::AnswerStatus::ok;
    if (ask == Ask::mx) answer.hosts = values;
    for (const dns::MxRecord& value : values)
      if (ask != Ask::mx) answer.values.push_back(value.host);
    return answer;
  }

  std::map<std::string, Types, std::less<>> records_;
  std::set<std::string, std::less<>> timeouts_;
};

// Answers come in the opposite order of the questions: an evaluator must not depend on it.
void run(const Zone& zone, const SpfFacts& facts) {
  SpfCheck check(facts);
  std::size_t asked = 0;
  std::size_t rounds = 0;
  while (!check.done()) {
    auto questions = check.take_questions();
    PW_CHECK(!questions.empty());
    ++rounds;
    for (std::size_t i = questions.size(); i > 0; --i)
      check.answer(asked + i - 1, zone.answer(questions[i - 1]));
    asked += questions.size();
  }
  const SpfFinding& finding = check.finding();
  std::cout << name_of(finding.result) << '\t' << finding.mechanism << '\t' << finding.reason
            << '\t' << finding.explanation << '\t' << asked << '\t' << rounds << std::endl;
}

}  // namespace

int main() {
  Zone zone;
  SpfFacts facts;
  facts.receiver = "receiver.example";
  facts.now = from_unix_ms(1'800'000'000'000);
  facts.wants_explanation = true;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::vector<std::string> fields;
    for (std::string_view field : split(line, '\t')) fields.push_back(decoded(field));
    if (fields[0] == "zone") {
      zone = {};
    } else if (fields[0] == "void" && fields.size() == 2) {
      facts.void_terms_max = parse_decimal<unsigned>(fields[1]).value_or(kSpfVoidTermsMax);
    } else if (fields[0] == "record" && fields.size() >= 4) {
      zone.add(fields);
    } else if (fields[0] == "timeout" && fields.size() == 2) {
      zone.add_timeout(fields[1]);
    } else if (fields[0] == "check" && fields.size() == 4) {
      facts.client = fields[1];
      facts.helo = fields[2];
      facts.mail_from = fields[3];
      run(zone, facts);
    } else {
      std::fprintf(stderr, "not understood: %s\n", line.c_str());
      return 1;
    }
  }
  return 0;
}
