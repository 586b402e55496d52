#include "filter/strangers/strangers_judge.h"

#include <utility>

#include "filter/strangers/strangers_member.h"

namespace postwain::filter {

namespace {

JudgeTerms terms_of(const config::Strangers& settings) {
  using Right = config::FilterRight;
  JudgeTerms out;
  out.name = config::kStrangersName;
  out.on = {"world", "submission"};
  out.on_failure = config::FilterFailure::accept;
  out.mode = settings.mode;
  out.may = {Right::refuse, Right::defer};
  return out;
}

}  // namespace

StrangersJudge::StrangersJudge(Clock& clock, std::unique_ptr<ListPort> port,
                               config::Strangers settings, std::string our_name, SeenFiles files)
    : Judge(terms_of(settings)),
      clock_(clock),
      port_(std::move(port)),
      settings_(std::move(settings)),
      our_name_(std::move(our_name)),
      store_(clock, settings_.greylist, std::move(files)),
      desk_(clock, *port_, settings_.lists) {}

bool StrangersJudge::is_on(std::string_view, ipc::FilterKind kind) const {
  return kind == ipc::FilterKind::world ||
         (kind == ipc::FilterKind::submission && settings_.greylists());
}

std::uint32_t StrangersJudge::awaited_stages() const {
  using ipc::FilterStage;
  if (watched()) return ipc::bit_of(FilterStage::end_of_message);
  std::uint32_t out = ipc::bit_of(FilterStage::rcpt);
  if (settings_.greylists()) out |= ipc::bit_of(FilterStage::data);
  if (settings_.greet_delay > Duration::zero()) out |= ipc::bit_of(FilterStage::connect);
  return out;
}

std::unique_ptr<ChainMember> StrangersJudge::make_member(Shared&, const SessionFacts& facts,
                                                         MemberOwner& owner) {
  return std::make_unique<StrangersMember>(*this, facts, owner);
}

void StrangersJudge::report_to(ipc::FilterReport& out) {
  Judge::report_to(out);
  out.lists = desk_.report();
}

void StrangersJudge::start() {
  desk_.start();
  store_.start();
}

}  // namespace postwain::filter
