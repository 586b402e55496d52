#include "common/mail/reported/dmarc_result.h"

#include <array>
#include <tuple>

namespace postwain::mail {

namespace {

constexpr std::array<std::string_view, 3> kDmarcWishes{"none", "quarantine", "reject"};
constexpr std::array<std::string_view, 4> kDmarcDone{"none", "pass", "quarantine", "reject"};
constexpr std::array<std::string_view, 6> kDmarcExcuses{
    "", "local_policy", "mailing_list", "other", "policy_test_mode", "trusted_forwarder"};

template <class Value, std::size_t count>
std::optional<Value> named_value(const std::array<std::string_view, count>& names,
                                 std::string_view name) {
  for (std::size_t i = 0; i < count; ++i)
    if (names[i] == name) return static_cast<Value>(i);
  return std::nullopt;
}

}  // namespace

std::string_view name_of(DmarcWish wish) {
  return kDmarcWishes[static_cast<std::size_t>(wish)];
}
std::optional<DmarcWish> dmarc_wish(std::string_view name) {
  return named_value<DmarcWish>(kDmarcWishes, name);
}
std::string_view name_of(DmarcDone done) {
  return kDmarcDone[static_cast<std::size_t>(done)];
}
std::optional<DmarcDone> dmarc_done(std::string_view name) {
  return named_value<DmarcDone>(kDmarcDone, name);
}
std::string_view name_of(DmarcExcuse excuse) {
  return kDmarcExcuses[static_cast<std::size_t>(excuse)];
}
std::optional<DmarcExcuse> dmarc_excuse(std::string_view name) {
  return named_value<DmarcExcuse>(kDmarcExcuses, name);
}

bool DmarcResultOrder::operator()(const DmarcResult& a, const DmarcResult& b) const {
  return std::tie(a.published.domain, a.row) < std::tie(b.published.domain, b.row);
}

std::size_t bytes_of(const DmarcRow& row) {
  std::size_t bytes = sizeof row + row.source.size() + row.excuse_comment.size() +
                      row.header_from.size() + row.envelope_from.size() + row.spf_domain.size() +
                      row.spf_result.size();
  for (const ReportedSignature& one : row.signatures)
    bytes += sizeof one + one.domain.size() + one.selector.size() + one.result.size() +
             one.comment.size();
  return bytes;
}

std::size_t bytes_of(const DmarcResult& result) {
  return sizeof result.published + result.published.domain.size() +
         result.published.failures.size() + bytes_of(result.row);
}

}  // namespace postwain::mail
