#include "common/authentication/spf/lookups.h"

#include <algorithm>
#include <utility>

#include "common/authentication/spf/macro.h"
#include "common/authentication/spf/record.h"
#include "common/base/text.h"

namespace postwain::authentication::spf {

namespace {

constexpr std::size_t kLabelMax = 63;
constexpr std::size_t kAddressTextSeen = 64;  // octets; no address is longer

std::string plain_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name.size() > kNameMax ? std::string() : to_lower(name);
}

void keep_texts(const std::vector<std::string>& values, Known& known) {
  known.texts = values.size();
  if (values.size() == 1) known.only_text = values.front().substr(0, kRecordMax + 1);
  std::size_t seen = std::min(values.size(), kTextsMax);
  for (std::size_t i = 0; i < seen && known.records.size() < 2; ++i)
    if (is_record(values[i])) known.records.push_back(values[i].substr(0, kRecordMax + 1));
}

void keep_addresses(const std::vector<std::string>& values, Ask ask, Known& known) {
  std::size_t seen = std::min(values.size(), kAddressesSeenMax);
  for (std::size_t i = 0; i < seen; ++i) {
    if (values[i].size() > kAddressTextSeen) continue;
    auto address =
        ask == Ask::ipv6 ? IpAddress::parse_ipv6(values[i]) : IpAddress::parse_ipv4(values[i]);
    if (address) known.addresses.push_back(*address);
  }
  if (known.addresses.empty()) known.status = dns::AnswerStatus::no_data;
}

void keep_name(std::string_view value, Known& known) {
  std::string name = plain_name(value);
  bool again = std::find(known.names.begin(), known.names.end(), name) != known.names.end();
  if (!again && is_lookup_name(name)) known.names.push_back(std::move(name));
}

// The order of records says nothing, but MX hosts that are preferred are looked at first.
void keep_hosts(const std::vector<dns::MxRecord>& hosts, Known& known) {
  known.named = hosts.size();
  if (hosts.size() > kMailHostsMax) return;  // an error, whatever they are
  std::vector<dns::MxRecord> sorted = hosts;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.preference < b.preference; });
  for (const dns::MxRecord& record : sorted) keep_name(record.host, known);
}

void keep_pointers(const std::vector<std::string>& values, Known& known) {
  known.named = values.size();
  std::size_t seen = std::min(values.size(), kPointersMax);
  for (std::size_t i = 0; i < seen; ++i) keep_name(values[i], known);
}

Known cut_down(Ask ask, const DnsAnswer& answer) {
  Known known;
  known.status = answer.status;
  if (answer.status != dns::AnswerStatus::ok) return known;
  bool empty = ask == Ask::mx ? answer.hosts.empty() : answer.values.empty();
  if (empty) known.status = dns::AnswerStatus::no_data;
  switch (ask) {
    case Ask::text:
      keep_texts(answer.values, known);
      break;
    case Ask::ipv4:
    case Ask::ipv6:
      keep_addresses(answer.values, ask, known);
      break;
    case Ask::mx:
      keep_hosts(answer.hosts, known);
      break;
    case Ask::names:
      keep_pointers(answer.values, known);
      break;
  }
  return known;
}

}  // namespace

bool is_lookup_name(std::string_view name) {
  if (name.empty() || name.size() > kNameMax) return false;
  std::size_t label = 0;
  std::size_t labels = 1;
  for (char c : name) {
    if (c < ' ' || c > '~' || c == '\\') return false;
    bool dot = c == '.';
    if (dot ? label == 0 : label == kLabelMax) return false;
    label = dot ? 0 : label + 1;
    labels += dot ? 1 : 0;
  }
  return label > 0 && labels > 1;
}

const Known* Lookups::find(Ask ask, std::string_view name) {
  for (const Entry& entry : entries_)
    if (entry.question.ask == ask && entry.question.name == name)
      return entry.answered ? &entry.known : nullptr;
  entries_.push_back({{ask, std::string(name)}});
  return nullptr;
}

std::vector<DnsQuestion> Lookups::take_questions() {
  std::vector<DnsQuestion> questions;
  for (; given_ < entries_.size(); ++given_) questions.push_back(entries_[given_].question);
  return questions;
}

bool Lookups::answer(std::size_t number, const DnsAnswer& answer) {
  if (number >= given_ || entries_[number].answered) return false;
  entries_[number].known = cut_down(entries_[number].question.ask, answer);
  entries_[number].answered = true;
  return true;
}

}  // namespace postwain::authentication::spf
