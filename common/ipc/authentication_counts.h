// What the process `filter` counts of mail authentication for the metrics: names by number, so that
// its increments travel as numbers within FilterReport.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace postwain::ipc {

// What was looked at. own_domains: of mail in the name of a domain of ours, whether anything shows
// that it is.
enum class AuthenticationMethod : std::uint8_t { spf, spf_helo, dkim, arc, dmarc, own_domains };
constexpr std::size_t kAuthenticationMethods = 6;
std::string_view name_of(AuthenticationMethod method);

// The results of RFC 8601 2.7 that are counted; another word is not.
constexpr std::string_view kAuthenticationResults[] = {"pass", "fail",   "softfail",  "neutral",
                                                       "none", "policy", "temperror", "permerror"};
constexpr std::size_t kAuthenticationResultCount = 8;

// Which of the settings of [authentication] decided about a message.
enum class AuthenticationCause : std::uint8_t {
  none,  // it was accepted
  spf,
  spf_helo,
  dkim,
  dmarc,
  own_domains,
  forged_results,  // too many fields in the name of this system
};
constexpr std::size_t kAuthenticationCauses = 7;
std::string_view name_of(AuthenticationCause cause);

enum class AuthenticationEnd : std::uint8_t { accept, hold, refuse, defer };
constexpr std::size_t kAuthenticationEnds = 4;
std::string_view name_of(AuthenticationEnd end);

// Number: what one count is kept in; since the last report it is small, since the start it is not.
template <class Number>
struct AuthenticationNumbers {
  std::array<std::array<Number, kAuthenticationResultCount>, kAuthenticationMethods> results{};
  std::array<std::array<Number, kAuthenticationEnds>, kAuthenticationCauses> ends{};

  void add_result(AuthenticationMethod method, std::string_view result) {
    for (std::size_t i = 0; i < kAuthenticationResultCount; ++i)
      if (kAuthenticationResults[i] == result) ++results[static_cast<std::size_t>(method)][i];
  }
  void add_end(AuthenticationCause cause, AuthenticationEnd end) {
    ++ends[static_cast<std::size_t>(cause)][static_cast<std::size_t>(end)];
  }
  template <class Other>
  void add(const AuthenticationNumbers<Other>& other) {
    for (std::size_t i = 0; i < results.size(); ++i)
      for (std::size_t k = 0; k < results[i].size(); ++k) results[i][k] += other.results[i][k];
    for (std::size_t i = 0; i < ends.size(); ++i)
      for (std::size_t k = 0; k < ends[i].size(); ++k) ends[i][k] += other.ends[i][k];
  }
  bool operator==(const AuthenticationNumbers&) const = default;
};
using AuthenticationCounts = AuthenticationNumbers<std::uint32_t>;  // since the last report
using AuthenticationSums = AuthenticationNumbers<std::uint64_t>;    // since the start

}  // namespace postwain::ipc
