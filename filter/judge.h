// Somebody who judges mail: an outside filter, or a check of our own. One object for the whole
// process says whether and where it is asked; for each SMTP session it makes a ChainMember, which
// is what it hears and says there. All sessions share it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "common/config/table/filter.h"
#include "common/ipc/filter_messages.h"
#include "common/ipc/filter_report.h"
#include "filter/deciding/breaker.h"

namespace postwain::filter {

class ChainMember;
struct SessionFacts;
struct Shared;

// Who holds the members of a session.
class MemberOwner {
 public:
  virtual ~MemberOwner() = default;
  // Something has come for a member, or left, or failed: it is worth asking again. Never called
  // from within a function of the member.
  virtual void member_changed() = 0;
};

// What an operator decides about everybody who judges.
struct JudgeTerms {
  std::string name;             // in the log and in what operators see
  std::vector<std::string> on;  // config::Filter
  config::FilterFailure on_failure = config::FilterFailure::defer;
  config::FilterMode mode = config::FilterMode::enforce;
  config::FilterRights may;
};

class Judge {
 public:
  explicit Judge(JudgeTerms terms);
  virtual ~Judge() = default;
  Judge(const Judge&) = delete;
  Judge& operator=(const Judge&) = delete;

  const JudgeTerms& terms() const { return terms_; }
  const std::string& name() const { return terms_.name; }
  bool watched() const { return terms_.mode == config::FilterMode::watch; }
  // Whether it is asked about sessions there.
  virtual bool is_on(std::string_view listener, ipc::FilterKind kind) const;

  // Bits of ipc::FilterStage: where a session has to wait for it. Nobody waits for one that is
  // watched, but at the end of a message.
  virtual std::uint32_t awaited_stages() const = 0;
  virtual bool wants_body() const = 0;
  // Its part in one session; facts and owner outlive it.
  virtual std::unique_ptr<ChainMember> make_member(Shared& shared, const SessionFacts& facts,
                                                   MemberOwner& owner) = 0;

  // The breaker, with its changes in the log.
  Breaker& breaker() { return breaker_; }
  void succeeded();
  void failed(MonoTime now, Breaker::Leave leave);

  // For qmgr: what it said last of a message, or of a command alone; and how it failed.
  void count(const ipc::FilterJudgement& judgement);
  void note_failure(ipc::FilterFailure failure, std::string_view why);
  // Whether there is something that the last report did not say.
  virtual bool has_news() const { return changed_ || !state_.counts.is_empty(); }
  ipc::FilterState report();
  // Behind what others have to say.
  virtual void report_to(ipc::FilterReport& out);

 private:
  void breaker_changed();

  JudgeTerms terms_;
  Breaker breaker_;
  ipc::FilterState state_;  // its breaker as it was told last
  bool changed_ = true;     // something that is no count
};

}  // namespace postwain::filter
