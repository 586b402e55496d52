// A connection to a policy service, which answers one question after another, of any session. Whose
// question it is at the moment is told when something has come of it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/ipc/filter_messages.h"
#include "common/net/stream.h"
#include "common/policy_service/policy_engine.h"
#include "filter/dial.h"
#include "filter/judge.h"
#include "filter/shared.h"

namespace postwain::filter {

// So long a connection is kept that nobody uses.
constexpr Duration kPolicyIdleMax = std::chrono::seconds(60);

class PolicyConnection {
 public:
  // Connects at once; settings outlives it.
  PolicyConnection(Shared& shared, const config::Filter& settings);
  PolicyConnection(const PolicyConnection&) = delete;
  PolicyConnection& operator=(const PolicyConnection&) = delete;

  // One question at a time. The owner is told later, once, when there is an answer or it has
  // failed; it may destroy the connection. At most `limit` is waited, besides the limits of the
  // settings.
  void ask(std::string question, Duration limit, MemberOwner& owner);
  std::optional<policy_service::Answer> take_answer() { return engine_.take_answer(); }
  // Nobody uses it from now on; it ends by itself after kPolicyIdleMax.
  void rest();

  ipc::FilterFailure failure() const { return failure_; }  // none: it has not failed
  const std::string& why() const { return why_; }
  // The service has closed an idle connection before it saw anything of this question.
  bool was_stale() const {
    return failure_ == ipc::FilterFailure::closed && questions_ > 1 && !engine_.has_begun();
  }

 private:
  void connected(const Status& status);
  void received(std::string_view octets);
  void failed(ipc::FilterFailure failure, std::string why);
  void write();
  void watch();
  void tell();

  const config::Filter& settings_;
  policy_service::PolicyEngine engine_;
  MemberOwner* owner_ = nullptr;  // null: nobody asks
  net::Stream stream_;
  std::unique_ptr<Alarm> alarm_;
  Duration limit_{};
  std::unique_ptr<Dial> dial_;
  bool connected_ = false;
  std::uint32_t questions_ = 0;
  ipc::FilterFailure failure_ = ipc::FilterFailure::none;
  std::string why_;
};

}  // namespace postwain::filter
