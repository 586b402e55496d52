#include "filter/authentication/evaluation_run.h"

#include <utility>
#include <vector>

namespace postwain::filter {

using authentication::DnsAnswer;
using authentication::DnsEvaluation;
using authentication::DnsQuestion;

struct EvaluationRun::State {
  DnsPort& port;
  DnsEvaluation& evaluation;
  std::function<void()> changed;
  std::set<std::size_t> open{};
  std::size_t asked = 0;
  bool asking = false;
  bool given_up = false;
  bool gone = false;

  static void go(const std::shared_ptr<State>& state);
  static void ask(const std::shared_ptr<State>& state, const DnsQuestion& question);
  static void answered(const std::shared_ptr<State>& state, std::size_t number,
                       const DnsAnswer& answer);
};

// An answer that is known at once comes while its question is asked; what it leads to is asked in
// the next round of the loop, so nothing is called into itself.
void EvaluationRun::State::go(const std::shared_ptr<State>& state) {
  if (state->asking) return;
  state->asking = true;
  for (;;) {
    std::vector<DnsQuestion> questions = state->evaluation.take_questions();
    if (questions.empty()) break;
    for (const DnsQuestion& question : questions) ask(state, question);
  }
  state->asking = false;
}

void EvaluationRun::State::ask(const std::shared_ptr<State>& state, const DnsQuestion& question) {
  std::size_t number = state->asked++;
  if (state->given_up) return state->evaluation.answer(number, {});
  state->open.insert(number);
  state->port.ask(question,
                  [state, number](const DnsAnswer& answer) { answered(state, number, answer); });
}

void EvaluationRun::State::answered(const std::shared_ptr<State>& state, std::size_t number,
                                    const DnsAnswer& answer) {
  if (state->gone || state->open.erase(number) == 0) return;
  state->evaluation.answer(number, answer);
  if (state->asking) return;
  go(state);
  state->changed();
}

EvaluationRun::EvaluationRun(DnsPort& port, DnsEvaluation& evaluation,
                             std::function<void()> changed)
    : state_(std::make_shared<State>(State{port, evaluation, std::move(changed)})) {}

EvaluationRun::~EvaluationRun() {
  state_->gone = true;
}

void EvaluationRun::go() {
  State::go(state_);
}

void EvaluationRun::give_up() {
  state_->given_up = true;
  for (std::size_t number : std::exchange(state_->open, {})) state_->evaluation.answer(number, {});
  State::go(state_);
}

}  // namespace postwain::filter
