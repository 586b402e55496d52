// How a DNS list is, as the process `filter` knows and tells it (filter_report.h). Its zone, which
// may hold a key, is never told: it has its label only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postwain::ipc {

constexpr std::size_t kReportedListsMax = 64;  // config::kDnsListsMax
constexpr std::size_t kListLabelMax = 48;      // octets

// What the answer to one question means.
enum class ListVerdict : std::uint8_t {
  not_listed,
  listed,
  other,    // listed, but not with an answer that counts
  refused,  // the list does not serve us, or not through this resolver
  broken,   // what came cannot be of a list
  silent,   // no answer
};
constexpr std::size_t kListVerdicts = static_cast<std::size_t>(ListVerdict::silent) + 1;
std::string_view name_of(ListVerdict verdict);

// Whether the list is asked and believed.
enum class ListStanding : std::uint8_t {
  untested,  // not believed, but asked: the test may be through by the time it counts
  good,
  lists_all,   // what must not be listed is: closed, or a resolver that rewrites answers
  lists_none,  // what must be listed is not: closed, empty, or a mistyped zone
  refused,
  broken,
  silent,  // no answer to the first test, or again and again
};
constexpr ListStanding last_of(ListStanding) {
  return ListStanding::silent;
}
std::string_view name_of(ListStanding standing);

struct ListState {
  std::string label;
  ListStanding standing = ListStanding::untested;
  bool testing = false;        // its answers to a test are awaited
  std::int64_t since = 0;      // Unix time in ms: when it came to stand so
  std::int64_t next_test = 0;  // the same; may be past
  // By ListVerdict: answers about clients since the last report.
  std::array<std::uint32_t, kListVerdicts> answers{};
};

}  // namespace postwain::ipc
