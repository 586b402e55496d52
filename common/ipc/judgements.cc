#include "common/ipc/judgements.h"

#include <algorithm>

#include "common/ipc/codec.h"

namespace postwain::ipc {

namespace {

constexpr std::uint8_t kCoding = 1;
constexpr std::size_t kFilterNameKept = 64;

// How much of each judgement is kept where there is little room.
struct Allowance {
  std::size_t scores;
  std::size_t text;
};
constexpr Allowance kAllowances[] = {
    {kFilterScoresMax, kFilterJudgementTextMax}, {5, kFilterJudgementTextMax}, {0, 100}, {0, 30}};

std::string harmless(std::string_view text, std::size_t most) {
  std::string out(text.substr(0, most));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  return out;
}

template <class A, class Judgement>
void visit_judgement(A& a, Judgement& j) {
  fields(a, j.filter, j.stage, j.verdict, j.hold, j.text, j.milliseconds, j.edits);
  fields(a, j.edited.headers, j.edited.recipients, j.edited.body, j.edited.sender);
  fields(a, j.edits_not_allowed, j.failure, j.watch, j.score, j.score_limit);
  auto count = static_cast<std::uint8_t>(j.scores.size());
  a.number(count);
  if constexpr (A::kDecoding) {
    if (count > kFilterScoresMax) return a.fail();
    j.scores.resize(count);
  }
  for (auto& score : j.scores) fields(a, score.name, score.thousandths);
}

std::string encode_one(const FilterJudgement& judgement, const Allowance& allowance) {
  FilterJudgement kept = judgement;
  kept.filter = harmless(kept.filter, kFilterNameKept);
  kept.text = harmless(kept.text, std::min(allowance.text, kFilterJudgementTextMax));
  if (kept.scores.size() > allowance.scores) kept.scores.resize(allowance.scores);
  for (FilterScore& score : kept.scores) score.name = harmless(score.name, kFilterScoreNameMax);
  std::string out;
  Encoder encoder(out);
  visit_judgement(encoder, kept);
  return out;
}

bool is_cut(const FilterJudgement& judgement, const Allowance& allowance) {
  return judgement.text.size() > allowance.text || judgement.scores.size() > allowance.scores;
}

}  // namespace

std::string encode_judgements(const std::vector<FilterJudgement>& list) {
  std::string out;
  if (list.empty()) return out;
  for (const Allowance& allowance : kAllowances) {
    bool cut = false;
    bool all = true;
    out.assign({static_cast<char>(kCoding), '\0'});
    for (const FilterJudgement& judgement : list) {
      std::string one = encode_one(judgement, allowance);
      all = all && out.size() + one.size() <= kJudgementsMax;
      if (!all) break;
      cut = cut || is_cut(judgement, allowance);
      out += one;
    }
    out[1] = cut || !all ? '\1' : '\0';
    if (all) break;
  }
  return out;
}

std::optional<Judgements> decode_judgements(std::string_view octets) {
  Judgements out;
  if (octets.empty()) return out;
  if (octets.size() > kJudgementsMax) return std::nullopt;
  Decoder a(octets);
  std::uint8_t coding = 0;
  a.number(coding);
  field(a, out.cut);
  if (coding != kCoding) return std::nullopt;
  while (a.ok() && a.left() > 0) {
    FilterJudgement& one = out.list.emplace_back();
    visit_judgement(a, one);
    bool sane = one.filter.size() <= kFilterNameKept && one.text.size() <= kFilterJudgementTextMax;
    for (const FilterScore& score : one.scores)
      sane = sane && score.name.size() <= kFilterScoreNameMax;
    if (!sane) return std::nullopt;
  }
  if (!a.finished() || out.list.empty()) return std::nullopt;
  return out;
}

}  // namespace postwain::ipc
