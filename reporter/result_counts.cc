#include "reporter/result_counts.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace postwain::reporter {

namespace {

using nlohmann::json;

std::string line_of(Day day, const mail::TlsResult& r, std::uint64_t count) {
  json out = {{"day", day.time_since_epoch().count()},
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
              {"count", count}};
  return out.dump(-1, ' ', true, json::error_handler_t::replace) + "\n";
}

// Throws json::exception where it is no such line; the caller is in the same file.
bool read_line(const json& in, ResultCounts& counts) {
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

Day day_of(WallTime time) {
  return std::chrono::floor<std::chrono::days>(time);
}

std::string name_of(Day day) {
  std::chrono::year_month_day date(day);
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

void ResultCounts::add(Day day, const mail::TlsResult& result, std::uint64_t count) {
  auto& domains = days_[day];
  if (domains.size() >= kDomainsMax && domains.count(result.domain) == 0) return;
  Results& results = domains[result.domain];
  if (results.size() < kResultsMax || results.count(result) > 0)
    return this->count(results, result, count);
  mail::TlsResult bare{result.domain, result.policy, result.end, {}, {}, {}, {}};
  if (results.size() < kPoliciesMax || results.count(bare) > 0) this->count(results, bare, count);
}

void ResultCounts::count(Results& results, const mail::TlsResult& result, std::uint64_t count) {
  auto found = results.find(result);
  if (found != results.end()) {
    found->second += count;
    return;
  }
  std::size_t bytes = mail::bytes_of(result);
  if (bytes_ + bytes > kCountsBytesMax) return;
  bytes_ += bytes;
  results.emplace(result, count);
}

std::vector<ResultCounts::Due> ResultCounts::before(Day day) const {
  std::vector<Due> out;
  for (const auto& [past, domains] : days_) {
    if (past >= day) break;
    for (const auto& [domain, results] : domains) out.push_back({past, domain});
  }
  return out;
}

const ResultCounts::Results* ResultCounts::find(Day day, const std::string& domain) const {
  auto domains = days_.find(day);
  if (domains == days_.end()) return nullptr;
  auto found = domains->second.find(domain);
  return found == domains->second.end() ? nullptr : &found->second;
}

void ResultCounts::remove(Day day, const std::string& domain) {
  auto domains = days_.find(day);
  if (domains == days_.end()) return;
  auto found = domains->second.find(domain);
  if (found == domains->second.end()) return;
  for (const auto& [result, count] : found->second) bytes_ -= mail::bytes_of(result);
  domains->second.erase(found);
  if (domains->second.empty()) days_.erase(domains);
}

std::string ResultCounts::text() const {
  std::string out;
  for (const auto& [day, domains] : days_)
    for (const auto& [domain, results] : domains)
      for (const auto& [result, count] : results) out += line_of(day, result, count);
  return out;
}

std::size_t ResultCounts::load(std::string_view text) {
  std::size_t bad = 0;
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    json line = json::parse(text.substr(0, end), nullptr, false);
    text.remove_prefix(std::min(end + 1, text.size()));
    try {
      if (!line.is_object() || !read_line(line, *this)) ++bad;
    } catch (const json::exception&) {
      ++bad;
    }
  }
  return bad;
}

}  // namespace postwain::reporter
