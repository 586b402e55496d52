// One connection to a policy service of Postfix's protocol (SMTPD_POLICY_README), from our side:
// a question is lines of name=value up to an empty line, and so is the answer, of which only
// action= counts. One question at a time. No I/O and no clock: who owns it moves the octets and
// watches the time.
//
// A service that breaks the protocol has failed, and its connection is of no more use: with octets
// that nobody asked for, with an answer that is too long or has no action, or two.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/policy_service/policy_answer.h"

namespace postwain::policy_service {

constexpr std::size_t kAttributeMax = 4096;    // octets of a value that we tell
constexpr std::size_t kAnswerMax = 32U << 10;  // octets of a whole answer

// The lines of a question.
class Question {
 public:
  // A value goes out as one line: control characters become '?', and what is too long is cut off.
  Question& add(std::string_view name, std::string_view value);
  Question& add(std::string_view name, std::uint64_t value);
  std::string finish() { return std::exchange(lines_, {}) + '\n'; }

 private:
  std::string lines_;
};

class PolicyEngine {
 public:
  // Only while it is not waiting.
  void ask(std::string question);
  bool is_waiting() const { return waiting_; }
  // The octets that go to the service next.
  std::string take_output() { return std::exchange(out_, {}); }
  // Octets of the service. False: it has failed.
  bool receive(std::string_view octets);
  // Something of the answer has come, but not all of it.
  bool has_begun() const { return got_ > 0; }
  // Once for each question.
  std::optional<Answer> take_answer() { return std::exchange(answer_, std::nullopt); }
  // The owner has found out that the service is gone, or late.
  void fail(std::string why);
  const std::string& failure() const { return failure_; }  // empty: it has not failed

 private:
  bool refuse(std::string why);
  bool take_line();

  std::string out_;
  std::string line_;     // that is not whole yet
  std::size_t got_ = 0;  // octets of the answer
  bool waiting_ = false;
  std::optional<std::string> action_;
  std::optional<Answer> answer_;
  std::string failure_;
};

}  // namespace postwain::policy_service
