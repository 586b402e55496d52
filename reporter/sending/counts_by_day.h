// What is counted until it is reported: by day (UTC), by the domain that may hear of it, by what is
// alike. Whatever strangers do, it stays within its bounds: beyond them results are counted by what
// is left of them without their details, and beyond that they are left out, and it is known how
// many they were. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "reporter/sending/day.h"

namespace postwain::reporter {

struct DueReport {
  Day day;
  std::string domain;
};

struct CountBounds {
  std::size_t domains;       // of one day; more are not counted
  std::size_t bytes;         // of all results; more are not counted
  std::size_t domain_bytes;  // of those of one domain and day; more are left out
  std::size_t detailed;      // different ones of a domain and day, with their details
  std::size_t results;       // different ones of a domain and day
};

// bytes_of(result) says what one takes.
template <class Result>
class CountsByDay {
 public:
  using Results = std::map<Result, std::uint64_t>;
  struct OfDomain {
    Results results;
    std::size_t bytes = 0;       // of the results
    std::uint64_t left_out = 0;  // that were counted nowhere else
  };

  explicit CountsByDay(const CountBounds& bounds) : bounds_(bounds) {}

  // bare: the result without its details. False: there is no room for another domain.
  bool add(Day day, const std::string& domain, const Result& result, const Result& bare,
           std::uint64_t count) {
    auto& domains = days_[day];
    if (domains.size() >= bounds_.domains && domains.count(domain) == 0) return false;
    OfDomain& of = domains[domain];
    if (of.results.size() < bounds_.detailed && put(of, result, count)) return true;
    if (bump(of, result, count) || bump(of, bare, count)) return true;
    if (of.results.size() < bounds_.results && put(of, bare, count)) return true;
    of.left_out += count;
    return true;
  }
  void leave_out(Day day, const std::string& domain, std::uint64_t count) {
    auto& domains = days_[day];
    if (domains.size() < bounds_.domains || domains.count(domain) > 0)
      domains[domain].left_out += count;
  }

  // Of the days before this one, the oldest first.
  std::vector<DueReport> before(Day day) const {
    std::vector<DueReport> out;
    for (const auto& [past, domains] : days_) {
      if (past >= day) break;
      for (const auto& [domain, of] : domains) out.push_back({past, domain});
    }
    return out;
  }
  const OfDomain* find(Day day, const std::string& domain) const {
    auto domains = days_.find(day);
    if (domains == days_.end()) return nullptr;
    auto found = domains->second.find(domain);
    return found == domains->second.end() ? nullptr : &found->second;
  }
  void remove(Day day, const std::string& domain) {
    auto domains = days_.find(day);
    if (domains == days_.end()) return;
    auto found = domains->second.find(domain);
    if (found == domains->second.end()) return;
    bytes_ -= found->second.bytes;
    domains->second.erase(found);
    if (domains->second.empty()) days_.erase(domains);
  }
  template <class Function>
  void each(Function function) const {
    for (const auto& [day, domains] : days_)
      for (const auto& [domain, of] : domains) function(day, domain, of);
  }

 private:
  bool bump(OfDomain& of, const Result& result, std::uint64_t count) {
    auto found = of.results.find(result);
    if (found == of.results.end()) return false;
    found->second += count;
    return true;
  }
  bool put(OfDomain& of, const Result& result, std::uint64_t count) {
    if (bump(of, result, count)) return true;
    std::size_t bytes = bytes_of(result);
    if (bytes_ + bytes > bounds_.bytes || of.bytes + bytes > bounds_.domain_bytes) return false;
    bytes_ += bytes;
    of.bytes += bytes;
    of.results.emplace(result, count);
    return true;
  }

  CountBounds bounds_;
  std::map<Day, std::map<std::string, OfDomain>> days_;
  std::size_t bytes_ = 0;  // of all results
};

}  // namespace postwain::reporter
