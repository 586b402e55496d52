#include <deque>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "common/base/time.h"
#include "filter/deciding/policy_rights.h"
#include "filter/policy/policy_connection.h"
#include "filter/policy/policy_question.h"
#include "filter/policy/policy_service.h"
#include "filter/trial/probe.h"

namespace postwain::filter {

namespace {

using Json = nlohmann::ordered_json;
using ipc::FilterStage;

class PolicyProbe final : public Probe {
 public:
  PolicyProbe(Shared& shared, const config::Filter& settings, const SessionFacts& facts,
              MemberOwner& owner)
      : clock_(shared.clock),
        facts_(facts),
        owner_(owner),
        service_(settings),
        // Another one each time, so that no service takes it for what it has seen before.
        instance_("check." + std::to_string(to_unix_ms(wall_now()))),
        connection_(shared, service_.settings()) {
    for (FilterStage stage : {FilterStage::connect, FilterStage::helo, FilterStage::mail,
                              FilterStage::rcpt, FilterStage::data, FilterStage::end_of_message})
      if (service_.asks_at(stage)) stages_.push_back(stage);
    ask();
  }

  std::optional<Json> poll() override {
    if (connection_.failure() != ipc::FilterFailure::none) {
      Json out = failed_probe(connection_.failure(), connection_.why());
      out["stage"] = name_of(stages_.front());
      out["answers"] = answers_;
      return out;
    }
    if (auto answer = connection_.take_answer()) {
      answers_.push_back(answer_json(*answer));
      stages_.pop_front();
      if (!stages_.empty()) ask();
    }
    if (!stages_.empty()) return std::nullopt;
    return Json{{"state", mistaken_ ? "failed" : "works"},
                {"milliseconds", waited_.count()},
                {"answers", answers_}};
  }

 private:
  void ask() {
    asked_at_ = clock_.mono();
    connection_.ask(
        policy_question(facts_, stages_.front(), facts_.envelope->recipients.front(), instance_),
        service_.settings().timeout.message, owner_);
  }

  Json answer_json(const policy_service::Answer& answer) {
    Duration took = clock_.mono() - asked_at_;
    waited_ += took;
    Json out = {{"stage", name_of(stages_.front())},
                {"action", name_of(answer.action)},
                {"milliseconds", took.count()}};
    if (answer.reply.code != 0) out["reply"] = printable(answer.reply.one_line());
    if (!answer.field_name.empty()) out["field"] = printable(answer.field_name);
    if (!answer.text.empty()) out["text"] = printable(answer.text);
    // A field can only be put in front of a header section that is not done yet.
    bool too_late = answer.action == policy_service::Action::prepend &&
                    stages_.front() == FilterStage::end_of_message;
    if (too_late) out["text"] = "PREPEND at the end of the message, where the header is done";
    mistaken_ = mistaken_ || too_late || answer.action == policy_service::Action::mistake;
    auto right = right_for(answer.action);
    if (right && !service_.settings().may.has(*right)) out["not_allowed"] = name_of(*right);
    return out;
  }

  Clock& clock_;
  const SessionFacts& facts_;
  MemberOwner& owner_;
  PolicyService service_;
  std::string instance_;
  PolicyConnection connection_;
  std::deque<FilterStage> stages_;  // that are left; the first one is asked about
  MonoTime asked_at_{};
  Duration waited_{};
  bool mistaken_ = false;
  Json answers_ = Json::array();
};

}  // namespace

std::unique_ptr<Probe> policy_probe(Shared& shared, const config::Filter& settings,
                                    const SessionFacts& facts, MemberOwner& owner) {
  return std::make_unique<PolicyProbe>(shared, settings, facts, owner);
}

}  // namespace postwain::filter
