// Aggregate reports of DMARC, whatever lies in their folder and whatever the DNS says: lines of
// counts are read or passed over, and what is read becomes a report that is ASCII and whose
// elements close; and who gets it has been asked, and is one of few.
//
// The input is lines: texts of records, with which questions are answered in turn (texts of one
// answer have a bar between them), and counts.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/check.h"
#include "common/base/text.h"
#include "common/dns/answer.h"
#include "reporter/dmarc/dmarc_counts.h"
#include "reporter/dmarc/dmarc_report.h"
#include "reporter/dmarc/report_targets.h"

using namespace postwain;
using namespace postwain::reporter;

namespace {

constexpr const char* kDomain = "a.example";

void look_at_xml(std::string_view xml) {
  std::vector<std::string_view> open;
  for (std::size_t at = 0; at < xml.size(); ++at) {
    char c = xml[at];
    PW_CHECK(c == '\n' || (c >= ' ' && c <= '~'));
    if (c != '<' || xml.substr(at, 2) == "<?") continue;
    std::size_t end = xml.find_first_of(" >", at);
    std::string_view name = xml.substr(at + 1, end - at - 1);
    if (!name.starts_with('/')) {
      open.push_back(name);
      continue;
    }
    PW_CHECK(!open.empty() && open.back() == name.substr(1));
    open.pop_back();
  }
  PW_CHECK(open.empty());
}

void look_at_counts(std::string_view text) {
  DmarcCounts counts;
  (void)counts.load(text);
  std::string once = counts.text();
  DmarcCounts again;
  PW_CHECK(again.load(once) == 0);
  PW_CHECK(again.text() == once);
  const Submitter us{"We & they", "p@us.example", "d@us.example", "us.example", "mx.us.example"};
  for (const DueReport& due : counts.before(Day::max())) {
    auto found = counts.find(due.day, due.domain);
    PW_CHECK(found && found->rows->size() <= kDmarcRowsMax);
    look_at_xml(dmarc_report(us, due.day, *found));
    counts.remove(due.day, due.domain);
  }
  PW_CHECK(counts.text().empty());
}

authentication::DnsAnswer answer_by(std::string_view line) {
  if (line == "?") return {};
  if (line == "!") return {dns::AnswerStatus::no_such_name, {}, {}};
  authentication::DnsAnswer out{dns::AnswerStatus::ok, {}, {}};
  for (std::string_view one : split(line, '|')) out.values.emplace_back(one);
  return out;
}

void look_at_targets(const std::vector<std::string_view>& lines) {
  ReportTargets targets(kDomain);
  std::set<std::string> hosts;  // that were asked
  std::size_t asked = 0;
  std::size_t answered = 0;
  while (!targets.done()) {
    for (const auto& question : targets.take_questions()) {
      PW_CHECK(question.name.size() <= 253);
      hosts.insert(question.name);
      ++asked;
    }
    PW_CHECK(hosts.size() == asked && asked <= kTargetQuestionsMax);
    PW_CHECK(answered < asked);
    targets.answer(answered, answer_by(lines[answered % lines.size()]));
    ++answered;
  }
  PW_CHECK(targets.result().places.size() <= kTargetsMax);
  for (const ReportPlace& place : targets.result().places) {
    PW_CHECK(place.uri.kind == reporter::ReportUri::Kind::mail);
    PW_CHECK(parse_place(place.uri.text()) == place.uri);
    std::string host = to_lower(place.uri.address.substr(place.uri.address.rfind('@') + 1));
    PW_CHECK(host == kDomain || hosts.count("_dmarc." + host) > 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  look_at_counts(text);
  look_at_targets(split(text, '\n'));
  return 0;
}
