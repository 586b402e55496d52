// [[dns_list]] and [strangers]: what is thought of clients that nobody here knows. What speaks for
// or against one is added up to one score; thresholds say what follows from it.
#pragma once

#include <array>
#include <bitset>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/config/table/filter.h"
#include "common/config/table/origin.h"

namespace postwain::config {

constexpr std::size_t kDnsListsMax = 64;
constexpr std::int32_t kWeightMax = 1000;

// Answers of a list that count: "127.0.0.2", "127.0.0-3.2-11" (each octet in its range), the same
// as Postfix writes it, "127.0.[0..3].[2;4;6..8]", or "127.0.0.2-127.0.0.11" (from the one to the
// other).
struct AnswerPattern {
  std::array<std::bitset<256>, 4> octets{};  // those that match
  std::uint32_t from = 0;                    // of the whole address, as a number
  std::uint32_t to = UINT32_MAX;

  bool matches(std::uint32_t address) const;
};
// Four numbers with dots, as one; nothing: it is no IPv4 address.
std::optional<std::uint32_t> ipv4_number(std::string_view text);
std::optional<AnswerPattern> parse_answer_pattern(std::string_view text);

// What a list is asked about.
enum class ListKey : std::uint8_t {
  address,  // of the client, its octets in reverse order (RFC 5782 2.1)
  ptr,      // the confirmed name of the address
  helo,     // what the client calls itself
  sender,   // the domain of the reverse-path
};
std::string_view name_of(ListKey key);

struct DnsList {
  std::string zone;   // may hold a key that is nobody's business: label is what is shown
  std::string label;  // in replies, the log and what operators see
  std::vector<AnswerPattern> answers;
  std::int32_t weight = 1;  // below 0: it speaks for those it lists
  ListKey by = ListKey::address;
  Origin origin;
};
// What is shown of a zone that has no label: what is behind a label of the zone that looks like a
// key of its user, which stands in front in the zones of such lists.
std::string shown_zone(std::string_view zone);

// Points for what can be seen of a client without a list.
struct SignWeights {
  std::int32_t no_name = 0;       // its address has no name in the DNS,
  std::int32_t forged_name = 0;   // or one that is not a name of this address
  std::int32_t dynamic_name = 0;  // the name looks like one of many that are handed out
  std::int32_t helo = 0;          // it calls itself an address, a name without a dot, or like us
};

struct Greylist {
  Duration wait = std::chrono::minutes(5);   // before this a second try is too early,
  Duration window = std::chrono::hours(48);  // and after this it is a first one
  Duration known = std::chrono::hours(840);  // 35 d: how long who has come back is remembered
  bool everyone = false;                     // whatever the score
};

// What judges strangers, among filters.
constexpr std::string_view kStrangersName = "strangers";

struct Strangers {
  bool wanted = false;  // [strangers] or a [[dns_list]] is there
  std::vector<DnsList> lists;
  std::optional<std::int32_t> greylist_at;  // from this score on; nothing: never
  std::optional<std::int32_t> refuse_at;
  SignWeights weights;
  Greylist greylist;
  Duration greet_delay{};                       // what is waited for those who talk too early
  std::optional<std::int32_t> pregreet_weight;  // theirs; nothing: that of refuse_at
  FilterMode mode = FilterMode::enforce;
  std::string folder;  // where is kept who was seen
  Origin origin;

  std::int32_t weight_of_pregreet() const {
    return pregreet_weight.value_or(refuse_at.value_or(0));
  }
  bool greylists() const { return greylist_at.has_value() || greylist.everyone; }
  // Strangers come by listeners that are not for submission.
  bool is_on(const Listener& listener) const { return wanted && kind_of(listener) == "world"; }
  // Whom our users write to is no stranger when he answers.
  bool hears(const Listener& listener) const { return is_on(listener) || (wanted && greylists()); }
};

}  // namespace postwain::config
