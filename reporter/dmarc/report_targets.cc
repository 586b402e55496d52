#include "reporter/dmarc/report_targets.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/authentication/dmarc/dmarc_record.h"
#include "common/authentication/dmarc/domain_name.h"
#include "common/authentication/dmarc/tree_walk.h"

namespace postwain::reporter {

using authentication::DmarcKnown;
using authentication::DmarcLookup;
using authentication::DmarcWalk;
using authentication::DnsAnswer;
using authentication::DnsQuestion;

namespace {

constexpr std::size_t kDnsNameMax = 253;

std::string host_of(std::string_view address) {
  std::size_t at = address.rfind('@');
  if (at == std::string_view::npos) return {};
  return authentication::canonical_domain(address.substr(at + 1)).value_or(std::string());
}

// Nothing: it is none that a report is sent to.
std::optional<ReportPlace> place_of(const authentication::ReportUri& uri) {
  ReportPlace out;
  std::string host = host_of(uri.address);
  if (host.empty()) return std::nullopt;
  out.uri.address = uri.address.substr(0, uri.address.rfind('@') + 1) + host;
  out.octets_max = uri.octets_max;
  // It is kept as a URI, and must lead back to itself.
  if (parse_place(out.uri.text()) != out.uri) return std::nullopt;
  return out;
}

}  // namespace

ReportTargets::ReportTargets(std::string domain) : domain_(std::move(domain)) {
  advance();
}

std::vector<DnsQuestion> ReportTargets::take_questions() {
  std::vector<DnsQuestion> out = answers_.take_questions();
  for (std::size_t i = 0; i < out.size(); ++i) asked_.push_back({inner_asked_++, {}});
  for (std::string& host : std::exchange(hosts_to_ask_, {})) {
    out.push_back({authentication::Ask::text, domain_ + "._report._dmarc." + host});
    asked_.push_back({0, std::move(host)});
  }
  return out;
}

void ReportTargets::answer(std::size_t number, const DnsAnswer& answer) {
  if (done_ || number >= asked_.size()) return;
  const Asked& asked = asked_[number];
  if (asked.host.empty()) {
    answers_.answer(asked.number, answer);
  } else {
    Host& host = hosts_.at(asked.host);
    if (host.state == Host::State::asked) hear_host(asked.host, host, answer);
  }
  advance();
}

void ReportTargets::advance() {
  if (done_ || (!record_found_ && !find_targets())) return;
  bool open = false;
  for (auto& [name, host] : hosts_) {
    if (host.state == Host::State::walking) look_at(name, host);
    open = open || host.state == Host::State::walking || host.state == Host::State::asked;
  }
  if (!open) finish();
}

// False: the record is not known yet, or this is the end.
bool ReportTargets::find_targets() {
  DmarcLookup found = answers_.record_of(domain_);
  if (found.known == DmarcKnown::not_yet) return false;
  record_found_ = true;
  result_.known = found.known == DmarcKnown::yes;
  if (found.record == nullptr) {
    done_ = true;
    return false;
  }
  for (const authentication::ReportUri& uri : found.record->aggregate_reports) {
    auto place = place_of(uri);
    if (!place || targets_.size() >= kTargetsMax) continue;
    std::string host = host_of(uri.address);
    hosts_.try_emplace(host);
    targets_.push_back({std::move(host), std::move(*place)});
  }
  return true;
}

void ReportTargets::look_at(const std::string& name, Host& host) {
  if (name == domain_) {
    host.state = Host::State::agrees;
    return;
  }
  DmarcWalk own = answers_.walk(domain_);
  DmarcWalk other = answers_.walk(name);
  if (own.known == DmarcKnown::temporary_failure || other.known == DmarcKnown::temporary_failure)
    host.state = Host::State::unknown;
  if (own.known != DmarcKnown::yes || other.known != DmarcKnown::yes) return;
  bool same = authentication::organizational_domain(domain_, own.records) ==
              authentication::organizational_domain(name, other.records);
  if (same)
    host.state = Host::State::agrees;
  else
    ask_host(name, host);
}

void ReportTargets::ask_host(const std::string& name, Host& host) {
  bool possible =
      domain_.size() + std::string_view("._report._dmarc.").size() + name.size() <= kDnsNameMax;
  host.state = possible ? Host::State::asked : Host::State::refuses;
  if (possible) hosts_to_ask_.push_back(name);
}

// One record of those there is enough. What it says of other addresses has to stay at the host:
// else nobody gets anything.
void ReportTargets::hear_host(const std::string& name, Host& host, const DnsAnswer& answer) {
  host.state =
      answer.status == dns::AnswerStatus::temporary ? Host::State::unknown : Host::State::refuses;
  if (answer.status != dns::AnswerStatus::ok) return;
  for (const std::string& text : answer.values) {
    auto record = authentication::parse_dmarc_record(text);
    if (!record) continue;
    host.state = Host::State::agrees;
    for (const authentication::ReportUri& uri : record->aggregate_reports) {
      auto place = place_of(uri);
      if (!place || host_of(uri.address) != name) {
        host.state = Host::State::refuses;
        return;
      }
      host.instead.push_back(std::move(*place));
    }
    if (!host.instead.empty()) return;
  }
}

void ReportTargets::finish() {
  done_ = true;
  for (const Target& target : targets_) {
    const Host& host = hosts_.at(target.host);
    if (host.state == Host::State::unknown) result_.known = false;
    if (host.state != Host::State::agrees) continue;
    if (host.instead.empty()) add(target.place);
    for (const ReportPlace& place : host.instead) add(place);
  }
}

void ReportTargets::add(const ReportPlace& place) {
  auto same = [&](const ReportPlace& other) { return other.uri == place.uri; };
  std::vector<ReportPlace>& places = result_.places;
  if (places.size() < kTargetsMax && std::none_of(places.begin(), places.end(), same))
    places.push_back(place);
}

}  // namespace postwain::reporter
