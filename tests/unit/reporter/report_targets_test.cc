// Who gets DMARC reports: what records say, and whom hosts of others let us write to.
#include <catch2/catch.hpp>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "reporter/dmarc/report_targets.h"

using namespace postwain;
using namespace postwain::reporter;
using authentication::DnsAnswer;
using authentication::DnsQuestion;

namespace {

using Zone = std::map<std::string, std::vector<std::string>>;  // "?": a temporary failure
using Places = std::vector<std::string>;

struct Found {
  bool known = false;
  Places places;
  std::vector<std::string> asked;
  bool operator==(const Found& other) const {
    return known == other.known && places == other.places;
  }
};

DnsAnswer answer_of(const Zone& zone, const std::string& name) {
  auto found = zone.find(name);
  if (found == zone.end()) return {dns::AnswerStatus::no_such_name, {}, {}};
  if (found->second == std::vector<std::string>{"?"}) return {};
  return {dns::AnswerStatus::ok, found->second, {}};
}

Found find(const Zone& zone, const std::string& domain = "a.example") {
  ReportTargets targets(domain);
  Found out;
  std::set<std::string> names;
  while (!targets.done()) {
    std::vector<DnsQuestion> questions = targets.take_questions();
    REQUIRE_FALSE(questions.empty());
    // The last first: the order of answers means nothing.
    std::size_t first = out.asked.size();
    for (const DnsQuestion& question : questions) {
      CHECK(question.ask == authentication::Ask::text);
      CHECK(question.name.size() <= 253);
      CHECK(names.insert(question.name).second);
      out.asked.push_back(question.name);
    }
    for (std::size_t i = out.asked.size(); i-- > first;)
      targets.answer(i, answer_of(zone, out.asked[i]));
  }
  CHECK(out.asked.size() <= kTargetQuestionsMax);
  out.known = targets.result().known;
  for (const ReportPlace& place : targets.result().places) {
    CHECK(place.uri.kind == reporter::ReportUri::Kind::mail);
    out.places.push_back(place.uri.address +
                         (place.octets_max > 0 ? "!" + std::to_string(place.octets_max) : ""));
  }
  return out;
}

Zone with(const std::string& rua, Zone more = {}) {
  more["_dmarc.a.example"] = {"v=DMARC1; p=none; rua=" + rua};
  return more;
}

const std::string kWord = "a.example._report._dmarc.x.example";

}  // namespace

TEST_CASE("addresses at the domain itself, and at others of its organization, need nobody's word") {
  CHECK(find(with("mailto:r@a.example")) == Found{true, {"r@a.example"}, {}});
  CHECK(find(with("mailto:r@A.Example.,mailto:s@sub.a.example!10k")) ==
        Found{true, {"r@a.example", "s@sub.a.example!10240"}, {}});
  // The policy of a subdomain, reports to the organization.
  Zone zone{{"_dmarc.mail.a.example", {"v=DMARC1; p=reject; rua=mailto:r@a.example"}},
            {"_dmarc.a.example", {"v=DMARC1; p=none"}}};
  CHECK(find(zone, "mail.a.example") == Found{true, {"r@a.example"}, {}});
  // Below a public suffix neighbours are strangers.
  zone["_dmarc.a.example"] = {"v=DMARC1; p=none; psd=y"};
  CHECK(find(zone, "mail.a.example") == Found{true, {}, {}});
}

TEST_CASE("others say themselves whether they want reports") {
  const std::string rua = "mailto:r@x.example!2m";
  const std::string place = "r@x.example!2097152";
  Found silent = find(with(rua));
  CHECK(silent == Found{true, {}, {}});
  CHECK(silent.asked.back() == kWord);
  CHECK(find(with(rua, {{kWord, {"v=DMARC1"}}})) == Found{true, {place}, {}});
  CHECK(find(with(rua, {{kWord, {"v=DMARC1;"}}})) == Found{true, {place}, {}});
  CHECK(find(with(rua, {{kWord, {"hello", "v=DMARC1; x=y"}}})) == Found{true, {place}, {}});
  CHECK(find(with(rua, {{kWord, {"v=DMARC2"}}})) == Found{true, {}, {}});
  CHECK(find(with(rua, {{kWord, {"x=y; v=DMARC1"}}})) == Found{true, {}, {}});
  CHECK(find(with(rua, {{kWord, {}}})) == Found{true, {}, {}});
  // Two addresses, one host, one question.
  Found two = find(with("mailto:r@x.example,mailto:s@x.example", {{kWord, {"v=DMARC1"}}}));
  CHECK(two == Found{true, {"r@x.example", "s@x.example"}, {}});
}

TEST_CASE("they may name another address, of their own only") {
  const std::string rua = "mailto:r@x.example,mailto:s@x.example,mailto:own@a.example";
  auto says = [&](const std::string& text) { return find(with(rua, {{kWord, {text}}})); };
  CHECK(says("v=DMARC1; rua=mailto:t@x.example!1k") ==
        Found{true, {"t@x.example!1024", "own@a.example"}, {}});
  CHECK(says("v=DMARC1; rua=mailto:victim@y.example") == Found{true, {"own@a.example"}, {}});
  CHECK(says("v=DMARC1; rua=mailto:t@x.example,mailto:victim@y.example") ==
        Found{true, {"own@a.example"}, {}});
  CHECK(says("v=DMARC1; rua=mailto:t@sub.x.example") == Found{true, {"own@a.example"}, {}});
  CHECK(says("v=DMARC1; rua=https://x.example/") == Found{true, {"own@a.example"}, {}});
}

TEST_CASE("records without a place for reports") {
  for (const char* rua : {"", "https://a.example/r", "mailto:nobody", "mailto:a@b@a.example",
                          "r@a.example", "mailto:r%0d%0a@a.example", "mailto:r@[192.0.2.1]"}) {
    CAPTURE(rua);
    CHECK(find(with(rua)) == Found{true, {}, {}});
  }
  CHECK(find({}) == Found{true, {}, {}});
  CHECK(find({{"_dmarc.a.example", {"v=DMARC1; p=none"}}}) == Found{true, {}, {}});
  CHECK(find({{"_dmarc.a.example",
               {"v=DMARC1; p=none; rua=mailto:r@a.example", "v=DMARC1; p=none"}}}) ==
        Found{true, {}, {}});
}

TEST_CASE("what the DNS does not say now is asked again later, and goes nowhere meanwhile") {
  CHECK(find({{"_dmarc.a.example", {"?"}}}) == Found{false, {}, {}});
  const std::string rua = "mailto:r@x.example,mailto:own@a.example";
  CHECK(find(with(rua, {{kWord, {"?"}}})) == Found{false, {"own@a.example"}, {}});
  CHECK(find(with(rua, {{"_dmarc.x.example", {"?"}}, {kWord, {"v=DMARC1"}}})) ==
        Found{false, {"own@a.example"}, {}});
  CHECK(find(with(rua, {{"_dmarc.example", {"?"}}, {kWord, {"v=DMARC1"}}})) ==
        Found{false, {"own@a.example"}, {}});
}

TEST_CASE("names too long to ask are nobody's word") {
  std::string label(60, 'l');
  std::string domain = label + "." + label + "." + label + ".example";
  std::string host = label + ".x.example";
  Zone zone{{"_dmarc." + domain, {"v=DMARC1; p=none; rua=mailto:r@" + host}}};
  CHECK(find(zone, domain) == Found{true, {}, {}});
}

TEST_CASE("hostile records ask and send only so much") {
  std::string rua;
  Zone zone;
  for (int i = 0; i < 40; ++i) {
    std::string host = "a.b.c.d.e.f.g.h.i.j." + std::to_string(i) + ".example";
    rua += (i > 0 ? ",mailto:r@" : "mailto:r@") + host;
    std::string more = "v=DMARC1; rua=mailto:0@" + host;
    for (int j = 1; j < 40; ++j) more += ",mailto:" + std::to_string(j) + "@" + host;
    zone["a.example._report._dmarc." + host] = {more};
  }
  zone["_dmarc.a.example"] = {"v=DMARC1; p=none; rua=" + rua};
  Found found = find(zone);
  CHECK(found.known);
  CHECK(found.places.size() == kTargetsMax);
  CHECK(found.asked.size() > 50);
}

TEST_CASE("answers that nobody asked for change nothing") {
  ReportTargets targets("a.example");
  targets.answer(0, {dns::AnswerStatus::ok, {"v=DMARC1; p=none; rua=mailto:r@a.example"}, {}});
  CHECK_FALSE(targets.done());
  REQUIRE(targets.take_questions().size() == 1);
  targets.answer(7, {});
  targets.answer(0, {dns::AnswerStatus::ok, {"v=DMARC1; p=none; rua=mailto:r@a.example"}, {}});
  REQUIRE(targets.done());
  targets.answer(0, {});
  CHECK(targets.result().places.size() == 1);
}
