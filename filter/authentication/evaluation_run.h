// Runs one evaluation of mail authentication: asks what it wants to know of the DNS, and tells it
// the answers.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <set>

#include "common/authentication/dns_evaluation.h"
#include "filter/authentication/dns_port.h"

namespace postwain::filter {

class EvaluationRun {
 public:
  // port and evaluation outlive it. changed: answers have come; never called from within a function
  // of this.
  EvaluationRun(DnsPort& port, authentication::DnsEvaluation& evaluation,
                std::function<void()> changed);
  // What is answered later nobody is told.
  ~EvaluationRun();
  EvaluationRun(const EvaluationRun&) = delete;
  EvaluationRun& operator=(const EvaluationRun&) = delete;

  // Asks what can be asked by now. Answers that are known go in at once.
  void go();
  // Everything that is open, and what is asked from now on, is a temporary failure.
  void give_up();

 private:
  struct State;
  std::shared_ptr<State> state_;  // answers may come after us
};

}  // namespace postwain::filter
