#include "postwain/explain/expectations.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/text.h"
#include "filter/deciding/stranger_score.h"
#include "postwain/explain/explanation.h"

namespace postwain::tool {

namespace {

// Nobody's (RFC 5737): of a client whose address does not matter.
constexpr const char* kSomeAddress = "192.0.2.1";

bool is_unknown(const config::Expect& expect) {
  return expect.client_name == "unknown";
}

Question question_of(const config::Expect& expect) {
  Question out;
  out.recipient = expect.recipient;
  out.sender = expect.from;
  out.client = expect.client;
  out.hello = expect.hello;
  out.account = expect.account;
  out.submission = expect.submission;
  if (expect.forged_name) out.facts.client = dns::LookupState::bad;
  if (!expect.client_name.empty()) {
    out.facts.client = is_unknown(expect) ? dns::LookupState::bad : dns::LookupState::good;
    if (!is_unknown(expect)) out.facts.name = to_lower(expect.client_name);
  }
  return out;
}

std::string names_or_none(const std::vector<std::string>& names, const char* none = "no filter") {
  return names.empty() ? none : fmt::format("{}", fmt::join(names, ", "));
}

// expected: the name of a key in the DNS, or a domain for each of its keys.
bool names_key(const std::string& expected, const std::string& record) {
  return record == expected || record.ends_with("._domainkey." + expected);
}

// Each key is expected, and each that is expected signs, in whatever order.
bool are_as_expected(const std::vector<std::string>& expected,
                     const std::vector<std::string>& found) {
  auto is_expected = [&](const std::string& record) {
    return std::any_of(expected.begin(), expected.end(),
                       [&](const std::string& one) { return names_key(one, record); });
  };
  auto is_found = [&](const std::string& one) {
    return std::any_of(found.begin(), found.end(),
                       [&](const std::string& record) { return names_key(one, record); });
  };
  return std::all_of(found.begin(), found.end(), is_expected) &&
         std::all_of(expected.begin(), expected.end(), is_found);
}

// What `filter` would have found out of that client by the time of RCPT.
filter::StrangerFacts facts_of(const config::Strangers& strangers, const config::Expect& expect) {
  using Name = filter::StrangerFacts::Name;
  filter::StrangerFacts out;
  out.address = expect.client.empty() ? kSomeAddress : expect.client;
  out.helo = expect.hello;
  out.talked_early = expect.pregreet;
  if (expect.forged_name) out.name_state = Name::forged;
  if (!expect.client_name.empty())
    out.name_state = is_unknown(expect) ? Name::none : Name::confirmed;
  if (out.name_state == Name::confirmed) out.name = to_lower(expect.client_name);
  for (std::size_t i = 0; i < strangers.lists.size(); ++i)
    if (std::find(expect.dns_lists.begin(), expect.dns_lists.end(), strangers.lists[i].label) !=
        expect.dns_lists.end())
      out.listed.push_back(i);
  return out;
}

std::string_view word_of(filter::StrangerVerdict verdict) {
  constexpr std::string_view kWords[] = {"accept", "greylist", "refuse"};
  return kWords[static_cast<std::size_t>(verdict)];
}

// What differs in what is thought of the client; nothing: nothing does.
std::optional<std::string> stranger_mistake(const config::Config& config,
                                            const config::Expect& expect,
                                            const Explanation& found) {
  if (!expect.score && expect.then.empty()) return std::nullopt;
  const config::Strangers& strangers = config.strangers;
  if (!found.judged_as_stranger) {
    if (!expect.score && expect.then == "accept" && found.decision == Decision::accept)
      return std::nullopt;
    return fmt::format("expected: {} for a stranger; but {}",
                       expect.score ? fmt::format("a score of {}", *expect.score) : expect.then,
                       found.decision == Decision::accept
                           ? "nobody judges this client, or mail to this recipient"
                           : "the mail is not accepted before the client is judged");
  }
  filter::StrangerScore score =
      filter::score_of(strangers, config.hostname, facts_of(strangers, expect));
  filter::StrangerVerdict verdict = filter::verdict_of(strangers, score.sum);
  bool watched = strangers.mode == config::FilterMode::watch;
  std::string_view then = word_of(watched ? filter::StrangerVerdict::passes : verdict);
  std::string points = score.points.empty() ? "no points" : filter::points_text(score);
  if (expect.score && *expect.score != score.sum)
    return fmt::format("expected: a score of {}; but it is {} ({})", *expect.score, score.sum,
                       points);
  if (!expect.then.empty() && expect.then != then)
    return fmt::format("expected: {} at a score of {} ({}); but {} follows, as {} says{}",
                       expect.then, score.sum, points, then, strangers.origin.text(),
                       watched ? ", whose mode is watch" : "");
  return std::nullopt;
}

std::optional<std::string> mistake_of(const config::Config& config, const config::Expect& expect) {
  Explanation found = explain(config, question_of(expect));
  const ExplainedStep& decided = found.steps[found.decided_by];
  if (name_of(found.decision) != expect.decision)
    return fmt::format("expected: {} {}; but {}, as {} says", expect.decision, expect.recipient,
                       decided.what, decided.origin);
  if (!expect.route.empty() && found.destination != expect.route)
    return fmt::format("expected: {} goes to {}; but it goes to {}, as {} says", expect.recipient,
                       expect.route, found.destination, found.route.origin.text());
  if (expect.filters && *expect.filters != found.filters)
    return fmt::format("expected: {} is judged by {}; but it is judged by {}", expect.recipient,
                       names_or_none(*expect.filters), names_or_none(found.filters));
  if (expect.signed_by && !are_as_expected(*expect.signed_by, found.signed_by))
    return fmt::format("expected: what {} sends is signed by {}; but it is signed by {}",
                       expect.from.empty() ? "<>" : expect.from,
                       names_or_none(*expect.signed_by, "no key"),
                       names_or_none(found.signed_by, "no key"));
  return stranger_mistake(config, expect, found);
}

}  // namespace

std::vector<config::Diagnostic> failed_expectations(const config::Config& config) {
  std::vector<config::Diagnostic> out;
  for (const config::Expect& expect : config.expects)
    if (auto mistake = mistake_of(config, expect))
      out.push_back({expect.origin, *std::move(mistake)});
  return out;
}

}  // namespace postwain::tool
