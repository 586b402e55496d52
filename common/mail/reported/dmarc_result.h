// What DMARC has found about one message, as the domain whose policy it was may want to hear of it
// (aggregate reports, RFC 9990): the vocabulary between who evaluates and who reports. The texts
// are strangers' and of kDmarcTextMax octets at most; nothing else is promised of them.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::mail {

constexpr std::size_t kDmarcTextMax = 255;          // octets of each text: as long as a name of DNS
constexpr std::size_t kDmarcCommentMax = 100;       // octets of each text for people
constexpr std::size_t kReportedSignaturesMax = 10;  // of a message; RFC 9990 3.1.3 has 100

// What a domain can wish in the tags p, sp and np.
enum class DmarcWish : std::uint8_t { none, quarantine, reject };
constexpr DmarcWish last_of(DmarcWish) {
  return DmarcWish::reject;
}
std::string_view name_of(DmarcWish wish);  // as reports write it, like all names here
std::optional<DmarcWish> dmarc_wish(std::string_view name);

// The record that was found (policy_published).
struct PublishedDmarc {
  std::string domain{};  // that has it, as A-labels
  DmarcWish policy = DmarcWish::none;
  std::optional<DmarcWish> subdomains{};
  std::optional<DmarcWish> nonexistent{};
  bool dkim_strict = false;
  bool spf_strict = false;
  bool testing = false;
  std::string failures{};  // fo: "0", "1:d:s"
  bool operator==(const PublishedDmarc&) const = default;
};

// What was done. `pass` is mail that showed whose it is, where the domain wishes something to be
// done with other mail.
enum class DmarcDone : std::uint8_t { none, pass, quarantine, reject };
constexpr DmarcDone last_of(DmarcDone) {
  return DmarcDone::reject;
}
std::string_view name_of(DmarcDone done);
std::optional<DmarcDone> dmarc_done(std::string_view name);

// Why it is not what the domain wished (RFC 9990 3.1.6).
enum class DmarcExcuse : std::uint8_t {
  none,
  local_policy,
  mailing_list,
  other,
  policy_test_mode,
  trusted_forwarder,
};
constexpr DmarcExcuse last_of(DmarcExcuse) {
  return DmarcExcuse::trusted_forwarder;
}
std::string_view name_of(DmarcExcuse excuse);
std::optional<DmarcExcuse> dmarc_excuse(std::string_view name);

struct ReportedSignature {
  std::string domain{};    // d=
  std::string selector{};  // s=
  std::string result{};    // a word of RFC 8601 2.7.1
  std::string comment{};   // ours
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14
  auto operator<=>(const ReportedSignature&) const = default;
};

// Messages that are alike in all of this are counted together.
struct DmarcRow {
  std::string source{};  // the client's address
  DmarcDone done = DmarcDone::none;
  bool dkim_aligned = false;
  bool spf_aligned = false;
  DmarcExcuse excuse = DmarcExcuse::none;
  std::string excuse_comment{};  // ours
  std::string header_from{};     // the author's domain, as A-labels
  std::string envelope_from{};   // its domain; empty: the null reverse-path, or not told
  std::vector<ReportedSignature> signatures{};
  std::string spf_domain{};  // empty: SPF was not looked at
  std::string spf_result{};  // a word of RFC 8601 2.7.2
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14
  auto operator<=>(const DmarcRow&) const = default;
};

struct DmarcResult {
  PublishedDmarc published;
  DmarcRow row;
};
// By the row, and by the domain that it is reported to: of a record that changes meanwhile the
// newest state is what counts.
struct DmarcResultOrder {
  bool operator()(const DmarcResult& a, const DmarcResult& b) const;
};

// What one takes in memory or in a frame, roughly; under 16 KiB.
std::size_t bytes_of(const DmarcRow& row);
std::size_t bytes_of(const DmarcResult& result);

struct CountedDmarcResult {
  DmarcResult result;
  std::uint64_t count = 0;
};

}  // namespace postwain::mail
