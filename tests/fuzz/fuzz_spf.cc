// A client, and a DNS that answers what it likes: lines of octets.
//     CLIENT / HELO / SENDER, a line each, then a line for each answer: its status (o, n, d, t) and
//     the values, with '|' between them
// Every evaluation ends, asks no more than it may and nothing twice, only names that can be looked
// up, and what it says of it is short and printable.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/spf/macro.h"
#include "common/authentication/spf/record.h"
#include "common/authentication/spf/spf_check.h"
#include "common/base/check.h"
#include "common/base/text.h"

using namespace postwain;
using namespace postwain::authentication;

namespace {

class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  std::string_view next() {
    std::size_t end = std::min(rest_.find('\n'), rest_.size());
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return line;
  }

 private:
  std::string_view rest_;
};

DnsAnswer answer_of(std::string_view line, Ask ask) {
  DnsAnswer answer;
  answer.status = dns::AnswerStatus::no_such_name;
  if (line.empty()) return answer;
  switch (line.front()) {
    case 'o':
      answer.status = dns::AnswerStatus::ok;
      break;
    case 'd':
      answer.status = dns::AnswerStatus::no_data;
      break;
    case 't':
      answer.status = dns::AnswerStatus::temporary;
      break;
    default:
      break;
  }
  for (std::string_view value : split(line.substr(1), '|')) {
    auto preference = static_cast<std::uint16_t>(answer.hosts.size() * 7 % 3);
    if (ask == Ask::mx)
      answer.hosts.push_back({preference, std::string(value)});
    else
      answer.values.emplace_back(value);
  }
  return answer;
}

bool is_plain(std::string_view text) {
  return text.size() <= kSpfTextMax && is_valid_utf8(text) &&
         std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; });
}

void check_question(const DnsQuestion& question, const std::vector<DnsQuestion>& before) {
  PW_CHECK(std::find(before.begin(), before.end(), question) == before.end());
  if (question.ask == Ask::names)
    PW_CHECK(spf::IpAddress::parse(question.name));
  else
    PW_CHECK(spf::is_lookup_name(question.name) && question.name == to_lower(question.name));
}

void check_finding(const SpfFinding& finding) {
  PW_CHECK(name_of(finding.result) != "?");
  bool undecided = finding.result == SpfResult::none || finding.result == SpfResult::temperror ||
                   finding.result == SpfResult::permerror;
  PW_CHECK(undecided != finding.reason.empty());
  PW_CHECK(undecided == finding.mechanism.empty());
  PW_CHECK(finding.explanation.empty() || finding.result == SpfResult::fail);
  PW_CHECK(is_ascii(finding.explanation));
  for (const std::string& text :
       {finding.domain, finding.mechanism, finding.reason, finding.explanation})
    PW_CHECK(is_plain(text));
}

void evaluate(std::string_view input) {
  Lines lines(input);
  SpfFacts facts;
  facts.client = lines.next();
  facts.helo = lines.next();
  facts.mail_from = lines.next();
  facts.receiver = "mx.receiver.example";
  facts.wants_explanation = input.size() % 2 == 0;
  bool backwards = input.size() % 3 == 0;
  SpfCheck check(facts);
  std::vector<DnsQuestion> asked;
  while (!check.done()) {
    std::vector<DnsQuestion> questions = check.take_questions();
    PW_CHECK(!questions.empty());  // all that was asked has been answered
    std::size_t first = asked.size();
    for (const DnsQuestion& question : questions) {
      check_question(question, asked);
      asked.push_back(question);
    }
    PW_CHECK(asked.size() <= kSpfQuestionsMax);
    for (std::size_t i = 0; i < questions.size(); ++i) {
      std::size_t one = backwards ? questions.size() - 1 - i : i;
      check.answer(first + one, answer_of(lines.next(), questions[one].ask));
    }
  }
  PW_CHECK(check.take_questions().empty());
  check_finding(check.finding());
}

// The first line as a text with macros, and as a record.
void check_parts(std::string_view input) {
  std::string text(Lines(input).next());
  spf::MacroValues values;
  values.sender = values.local_part = values.helo = text.substr(0, 300);
  values.domain = values.sender_domain = "example.org";
  if (spf::is_domain_spec(text)) PW_CHECK(spf::expand_domain(text, values).size() <= spf::kNameMax);
  if (spf::is_explanation(text)) {
    std::string out = spf::expand_explanation(text, values);
    PW_CHECK(out.size() <= spf::kExplanationMax && is_ascii(out) && is_plain(out));
  }
  auto record = spf::Record::read("v=spf1 " + text);
  if (!record) return;
  std::size_t position = 0;
  std::size_t last = 0;
  while (auto directive = record->next(position)) {
    PW_CHECK(position > last && !directive->text.empty());
    PW_CHECK(directive->ipv4_bits <= 32 && directive->ipv6_bits <= 128);
    last = position;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  evaluate(input);
  check_parts(input);
  return 0;
}
