#include "filter/deciding/stranger_score.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "common/base/text.h"
#include "filter/deciding/client_signs.h"

namespace postwain::filter {

namespace {

constexpr std::int32_t kThousand = 1000;
constexpr std::size_t kListsNamed = 5;

struct Sign {
  std::string_view label;
  std::string_view words;
};
constexpr Sign kNoName{"no_name", "its address has no name"};
constexpr Sign kForgedName{"forged_name", "its name is not that of its address"};
constexpr Sign kDynamicName{"dynamic_name", "its name is one of many that are handed out"};
constexpr Sign kHelo{"helo", "it says hello like no mail server"};
constexpr Sign kPregreet{"pregreet", "it talked before the greeting"};
constexpr Sign kSigns[] = {kNoName, kForgedName, kDynamicName, kHelo, kPregreet};

std::string_view words_for(std::string_view label) {
  for (const Sign& sign : kSigns)
    if (sign.label == label) return sign.words;
  return label;
}

}  // namespace

bool judges_mail_to(std::string_view recipient) {
  return !iequals(recipient.substr(0, recipient.rfind('@')), "postmaster");
}

StrangerScore score_of(const config::Strangers& strangers, std::string_view our_name,
                       const StrangerFacts& facts) {
  StrangerScore out;
  auto add = [&](std::string_view label, std::int32_t weight, bool of_list = false) {
    if (weight == 0) return;
    out.points.push_back({std::string(label), weight, of_list});
    out.sum += weight;
  };
  for (std::size_t number : facts.listed)
    add(strangers.lists[number].label, strangers.lists[number].weight, true);
  using Name = StrangerFacts::Name;
  if (facts.name_state == Name::none) add(kNoName.label, strangers.weights.no_name);
  if (facts.name_state == Name::forged) add(kForgedName.label, strangers.weights.forged_name);
  if (facts.name_state == Name::confirmed && looks_dynamic(facts.name, facts.address))
    add(kDynamicName.label, strangers.weights.dynamic_name);
  if (is_odd_hello(facts.helo, our_name, facts.address)) add(kHelo.label, strangers.weights.helo);
  if (facts.talked_early) add(kPregreet.label, strangers.weight_of_pregreet());
  std::stable_sort(out.points.begin(), out.points.end(), [](const auto& a, const auto& b) {
    return std::abs(a.weight) > std::abs(b.weight);
  });
  return out;
}

StrangerVerdict verdict_of(const config::Strangers& strangers, std::int32_t sum) {
  if (strangers.refuse_at && sum >= *strangers.refuse_at) return StrangerVerdict::refuse;
  if (strangers.greylist_at && sum >= *strangers.greylist_at) return StrangerVerdict::greylist;
  // Somebody has a good word for it.
  if (strangers.greylist.everyone && sum >= 0) return StrangerVerdict::greylist;
  return StrangerVerdict::passes;
}

std::vector<std::string> names_of(const StrangerFacts& facts) {
  std::vector<std::string> out{network_of(facts.address)};
  if (facts.name_state != StrangerFacts::Name::confirmed ||
      looks_dynamic(facts.name, facts.address))
    return out;
  std::string owner = owner_domain(facts.name);
  if (!owner.empty()) out.push_back("@" + owner);
  return out;
}

mail::Reply refusal_of(const StrangerFacts& facts, const StrangerScore& score,
                       const std::string& reason) {
  std::string lists;
  std::string signs;
  std::size_t named = 0;
  for (const StrangerScore::Point& point : score.points) {
    if (point.weight <= 0) continue;
    if (!point.of_list)
      (signs += "; ") += words_for(point.label);
    else if (named++ < kListsNamed)
      (lists += lists.empty() ? " by " : ", ") += point.label;
  }
  std::string text = fmt::format("Client [{}] blocked{}{}", facts.address, lists, signs);
  if (!reason.empty()) text += "; " + reason;
  return {550, {5, 7, 1}, std::move(text)};
}

mail::Reply greylisted(std::uint32_t seconds) {
  return {451, {4, 7, 1}, fmt::format("Greylisted, try again in {} seconds", seconds)};
}

std::string points_text(const StrangerScore& score) {
  std::string out;
  for (const StrangerScore::Point& point : score.points)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", point.label, point.weight);
  return out;
}

void note_score(const config::Strangers& strangers, const StrangerScore& score,
                ipc::FilterJudgement& judgement) {
  judgement.score = score.sum * kThousand;
  judgement.score_limit = strangers.refuse_at.value_or(0) * kThousand;
  judgement.scores.clear();
  for (const StrangerScore::Point& point : score.points)
    if (judgement.scores.size() < ipc::kFilterScoresMax)
      judgement.scores.push_back({point.label, point.weight * kThousand});
}

}  // namespace postwain::filter
