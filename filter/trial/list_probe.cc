#include <memory>
#include <utility>

#include <nlohmann/json.hpp>

#include "filter/deciding/list_health.h"
#include "filter/strangers/list_questions.h"
#include "filter/trial/probe.h"

namespace postwain::filter {

namespace {

using Json = nlohmann::ordered_json;

Json words_of(const std::vector<ListVerdict>& verdicts) {
  Json out = Json::array();
  for (ListVerdict verdict : verdicts) out.push_back(name_of(verdict));
  return out;
}

class ListProbe final : public Probe {
 public:
  ListProbe(Shared& shared, const config::DnsList& list, ListPort& dns, MemberOwner& owner)
      : clock_(shared.clock), since_(shared.clock.mono()) {
    health_.test_begins();
    ask_test(dns, list, [this, &owner, alive = std::weak_ptr<bool>(alive_)](auto& answers) {
      if (alive.expired()) return;
      answers_ = answers;
      took_ = clock_.mono() - since_;
      health_.tested(answers.listed, answers.not_listed, clock_.mono());
      owner.member_changed();
    });
  }

  std::optional<Json> poll() override {
    if (health_.is_awaited()) return std::nullopt;
    Json out = {{"state", health_.is_believed() ? "works" : "failed"},
                {"health", name_of(health_.state())},
                {"milliseconds", took_.count()},
                {"to_be_listed", words_of(answers_.listed)},
                {"not_to_be_listed", words_of(answers_.not_listed)}};
    return out;
  }

 private:
  Clock& clock_;
  MonoTime since_;
  Duration took_{};
  ListHealth health_;
  ListTestAnswers answers_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<Probe> list_probe(Shared& shared, const config::DnsList& list, ListPort& dns,
                                  MemberOwner& owner) {
  return std::make_unique<ListProbe>(shared, list, dns, owner);
}

}  // namespace postwain::filter
