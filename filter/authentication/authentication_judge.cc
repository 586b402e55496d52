#include "filter/authentication/authentication_judge.h"

#include <utility>

#include "common/ipc/filter_report.h"
#include "filter/authentication/authentication_member.h"

namespace postwain::filter {

namespace {

JudgeTerms terms_of(const config::Authentication& settings) {
  using Right = config::FilterRight;
  JudgeTerms out;
  out.name = config::kAuthenticationName;
  out.on = {"world"};
  // Mail that nobody has looked at would bring in what others claim in our name.
  out.on_failure = config::FilterFailure::defer;
  out.mode = settings.mode;
  out.may = {Right::headers, Right::refuse, Right::defer, Right::hold};
  return out;
}

}  // namespace

AuthenticationJudge::AuthenticationJudge(Clock& clock, std::unique_ptr<DnsPort> port,
                                         config::Authentication settings, std::string our_name,
                                         rewrite::OwnDomains own_domains, DmarcNotes* notes)
    : Judge(terms_of(settings)),
      clock_(clock),
      port_(std::move(port)),
      settings_(std::move(settings)),
      our_name_(std::move(our_name)),
      own_domains_(std::move(own_domains)),
      notes_(notes) {}

bool AuthenticationJudge::is_on(std::string_view, ipc::FilterKind kind) const {
  return kind == ipc::FilterKind::world;
}

bool AuthenticationJudge::has_news() const {
  return Judge::has_news() || counts_ != ipc::AuthenticationCounts{};
}

void AuthenticationJudge::report_to(ipc::FilterReport& out) {
  Judge::report_to(out);
  out.authentication.add(std::exchange(counts_, {}));
}

std::unique_ptr<ChainMember> AuthenticationJudge::make_member(Shared&, const SessionFacts& facts,
                                                              MemberOwner& owner) {
  return std::make_unique<AuthenticationMember>(*this, facts, owner);
}

}  // namespace postwain::filter
