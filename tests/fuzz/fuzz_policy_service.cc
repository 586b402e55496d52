// Octets as a policy service that says what it likes, cut anywhere: each question gets one answer
// or the service has failed, never both, and what is answered stays within its bounds and its line.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/check.h"
#include "common/policy_service/policy_engine.h"

using namespace postwain;
using namespace postwain::policy_service;

namespace {

bool is_one_line(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

void check(const Answer& answer) {
  PW_CHECK(is_one_line(answer.text) && is_one_line(answer.field_name));
  PW_CHECK(is_one_line(answer.reply.text) && answer.reply.text.size() <= kAnswerTextMax);
  PW_CHECK(answer.text.size() <= kAnswerFieldMax);
  bool speaks = answer.reply.code != 0;
  PW_CHECK(!speaks || (answer.reply.code >= 400 && answer.reply.code < 600));
  PW_CHECK(!speaks || answer.reply.enhanced.klass == answer.reply.code / 100);
  PW_CHECK(answer.field_name.empty() == (answer.action != Action::prepend));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view octets(reinterpret_cast<const char*>(data), size);
  PolicyEngine engine;
  while (!octets.empty() && engine.failure().empty()) {
    if (!engine.is_waiting()) engine.ask("request=smtpd_access_policy\n\n");
    std::size_t piece = static_cast<unsigned char>(octets.front()) % 64;
    octets.remove_prefix(1);
    bool good = engine.receive(octets.substr(0, piece));
    octets.remove_prefix(std::min(piece, octets.size()));
    auto answer = engine.take_answer();
    PW_CHECK(good == engine.failure().empty());
    PW_CHECK(!(answer && !good));
    if (answer) check(*answer);
  }
  return 0;
}
