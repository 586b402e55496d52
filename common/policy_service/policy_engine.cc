#include "common/policy_service/policy_engine.h"

#include "common/base/text.h"

namespace postwain::policy_service {

Question& Question::add(std::string_view name, std::string_view value) {
  lines_ += name;
  lines_ += '=';
  for (char c : value.substr(0, kAttributeMax)) {
    auto octet = static_cast<unsigned char>(c);
    lines_ += octet < ' ' || octet == 0x7f ? '?' : c;
  }
  lines_ += '\n';
  return *this;
}

Question& Question::add(std::string_view name, std::uint64_t value) {
  return add(name, std::to_string(value));
}

void PolicyEngine::ask(std::string question) {
  out_ += question;
  got_ = 0;
  action_.reset();
  answer_.reset();
  waiting_ = failure_.empty();
}

void PolicyEngine::fail(std::string why) {
  if (failure_.empty()) failure_ = std::move(why);
  waiting_ = false;
  answer_.reset();
  out_.clear();
}

bool PolicyEngine::refuse(std::string why) {
  fail(std::move(why));
  return false;
}

bool PolicyEngine::receive(std::string_view octets) {
  if (!failure_.empty()) return false;
  for (char c : octets) {
    if (!waiting_) return refuse("it says something that nobody asked for");
    if (++got_ > kAnswerMax) return refuse("its answer is too long");
    if (c != '\n')
      line_ += c;
    else if (!take_line())
      return false;
  }
  return true;
}

// Some services end lines with CRLF.
bool PolicyEngine::take_line() {
  std::string line = std::exchange(line_, {});
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (line.empty()) {
    if (!action_) return refuse("its answer has no action");
    answer_ = read_action(*action_);
    if (!answer_) return refuse("its action is none: " + printable(*action_, 60));
    waiting_ = false;
    return true;
  }
  std::size_t equals = line.find('=');
  if (equals == std::string::npos) return refuse("its answer is not made of name=value");
  if (line.compare(0, equals, "action") != 0) return true;
  if (action_) return refuse("its answer has two actions");
  action_ = line.substr(equals + 1);
  return true;
}

}  // namespace postwain::policy_service
