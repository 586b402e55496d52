#include "common/mail/broken_off.h"

namespace postwain::mail {

namespace {
constexpr EnhancedCode kBeside{4, 4, 0};
constexpr EnhancedCode kLost{4, 4, 2};
constexpr EnhancedCode kNonsense{4, 5, 0};
}  // namespace

bool is_broken_off(Stage stage, const Reply& reply) {
  if (stage < Stage::mail) return false;
  bool silent = reply.code == 0 && (reply.enhanced == kLost || reply.enhanced == kNonsense);
  return reply.code == 421 || silent;
}

Reply beside_another() {
  return {0, kBeside,
          "not tried to its end: the session ended at another recipient of the message"};
}

bool is_beside_another(Stage stage, const Reply& reply) {
  return reply.code == 0 && reply.enhanced == kBeside &&
         (stage == Stage::rcpt || stage == Stage::final_reply);
}

}  // namespace postwain::mail
