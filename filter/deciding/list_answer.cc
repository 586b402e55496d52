#include "filter/deciding/list_answer.h"

#include <algorithm>

#include "common/base/text.h"

namespace postwain::filter {

namespace {

constexpr std::size_t kReasonTextMax = 200;  // octets
constexpr std::uint32_t kLoopback = 127;

constexpr std::uint32_t octets(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return a << 24U | b << 16U | c << 8U | d;
}

// Codes that say: you are not served. 127.255.255.x of Spamhaus, 127.0.0.1 of URIBL; of lists that
// speak for somebody those of DNSWL, which would do harm as a good word.
bool is_refusal(const config::DnsList& list, std::uint32_t code) {
  if (code >> 8U == octets(0, 127, 255, 255) || code == octets(127, 0, 0, 1)) return true;
  if (list.weight >= 0) return false;
  bool dnswl = list.zone == "dnswl.org" || list.zone.ends_with(".dnswl.org");
  return code == octets(127, 0, 0, 255) || (dnswl && code == octets(127, 0, 10, 3));
}

// What no resolver would ask must not count as a list's silence.
bool has_labels(std::string_view name) {
  constexpr std::size_t kLabelMax = 63;
  for (std::string_view label : split(name, '.'))
    if (label.empty() || label.size() > kLabelMax) return false;
  return true;
}

std::string below(std::string_view zone, std::string_view name) {
  constexpr std::size_t kNameMax = 253;
  if (name.empty() || name.size() + 1 + zone.size() > kNameMax) return {};
  return std::string(name) + "." + std::string(zone);
}

}  // namespace

ListVerdict read_list_answer(const config::DnsList& list, dns::AnswerStatus status,
                             const std::vector<std::string>& addresses) {
  if (status == dns::AnswerStatus::temporary) return ListVerdict::silent;
  bool counts = false;
  bool some = false;
  bool refused = false;
  for (const std::string& address : addresses) {
    auto code = config::ipv4_number(address);
    if (!code || *code >> 24U != kLoopback) return ListVerdict::broken;
    some = true;
    refused = refused || is_refusal(list, *code);
    counts = counts || std::any_of(list.answers.begin(), list.answers.end(),
                                   [&](const auto& pattern) { return pattern.matches(*code); });
  }
  if (refused) return ListVerdict::refused;
  if (counts) return ListVerdict::listed;
  return some ? ListVerdict::other : ListVerdict::not_listed;
}

std::string list_question(std::string_view zone, const std::string& address) {
  std::string name = dns::reverse_name(address);
  for (std::string_view end : {".in-addr.arpa", ".ip6.arpa"})
    if (name.ends_with(end)) return below(zone, name.substr(0, name.size() - end.size()));
  return {};
}

std::string name_question(std::string_view zone, std::string_view name) {
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  bool is_name = dns::is_host_name(name) && has_labels(name) &&
                 name.find('.') != std::string_view::npos &&
                 name.find_first_not_of("0123456789.") != std::string_view::npos;
  return is_name ? below(zone, to_lower(name)) : std::string();
}

ListTest test_of(const config::DnsList& list) {
  if (list.by == config::ListKey::address)
    return {{list_question(list.zone, "127.0.0.2"), list_question(list.zone, "::ffff:127.0.0.2")},
            {list_question(list.zone, "127.0.0.1"), list_question(list.zone, "::ffff:127.0.0.1")}};
  // Some lists of names do not have TEST; none may have INVALID.
  return {{}, {below(list.zone, "invalid")}};
}

std::string reason_text(const std::vector<std::string>& texts) {
  if (texts.empty()) return {};
  std::string out = printable(texts.front(), kReasonTextMax);
  for (char& c : out)
    if (static_cast<unsigned char>(c) >= 128) c = '?';  // a reply is ASCII
  return out;
}

}  // namespace postwain::filter
