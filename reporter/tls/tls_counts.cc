#include "reporter/tls/tls_counts.h"

#include <nlohmann/json.hpp>

#include "reporter/sending/json_lines.h"

namespace postwain::reporter {

namespace {

using nlohmann::json;

constexpr CountBounds kTlsBounds{kDomainsMax, kCountsBytesMax, kCountsBytesMax, kResultsMax,
                                 kPoliciesMax};

std::string line_of(Day day, const mail::TlsResult& r, std::uint64_t count) {
  return json_line({{"day", day.time_since_epoch().count()},
                    {"domain", r.domain},
                    {"policy", name_of(r.policy.type)},
                    {"policy_domain", r.policy.domain},
                    {"lines", r.policy.lines},
                    {"hosts", r.policy.hosts},
                    {"end", name_of(r.end)},
                    {"mx_host", r.mx_host},
                    {"address", r.address},
                    {"source", r.source},
                    {"reason", r.reason},
                    {"count", count}});
}

// Throws json::exception where it is no such line.
bool read_tls_line(const json& in, ResultCounts& counts) {
  mail::TlsResult r;
  auto type = mail::policy_type(in.at("policy").get<std::string>());
  auto end = mail::tls_end(in.at("end").get<std::string>());
  if (!type || !end) return false;
  r.policy.type = *type;
  r.end = *end;
  in.at("domain").get_to(r.domain);
  in.at("policy_domain").get_to(r.policy.domain);
  in.at("lines").get_to(r.policy.lines);
  in.at("hosts").get_to(r.policy.hosts);
  in.at("mx_host").get_to(r.mx_host);
  in.at("address").get_to(r.address);
  in.at("source").get_to(r.source);
  in.at("reason").get_to(r.reason);
  counts.add(Day(std::chrono::days(in.at("day").get<int>())), r,
             in.at("count").get<std::uint64_t>());
  return true;
}

}  // namespace

ResultCounts::ResultCounts() : counts_(kTlsBounds) {}

void ResultCounts::add(Day day, const mail::TlsResult& result, std::uint64_t count) {
  mail::TlsResult bare{result.domain, result.policy, result.end, {}, {}, {}, {}};
  counts_.add(day, result.domain, result, bare, count);
}

const ResultCounts::Results* ResultCounts::find(Day day, const std::string& domain) const {
  const auto* found = counts_.find(day, domain);
  return found == nullptr ? nullptr : &found->results;
}

std::string ResultCounts::text() const {
  std::string out;
  counts_.each([&](Day day, const std::string&, const auto& of) {
    for (const auto& [result, count] : of.results) out += line_of(day, result, count);
  });
  return out;
}

std::size_t ResultCounts::load(std::string_view text) {
  return read_json_lines(text, [this](const json& line) { return read_tls_line(line, *this); });
}

}  // namespace postwain::reporter
