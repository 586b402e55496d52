#include "common/mail/outcome.h"

#include "common/base/check.h"

namespace postwain::mail {

std::string_view name_of(Disposition value) {
  switch (value) {
    case Disposition::delivered:
      return "delivered";
    case Disposition::deferred:
      return "deferred";
    case Disposition::failed:
      return "failed";
  }
  return "?";
}

std::string_view name_of(Stage value) {
  switch (value) {
    case Stage::local:
      return "local";
    case Stage::dns:
      return "dns";
    case Stage::connect:
      return "connect";
    case Stage::tls:
      return "tls";
    case Stage::greeting:
      return "greeting";
    case Stage::hello:
      return "hello";
    case Stage::auth:
      return "auth";
    case Stage::mail:
      return "mail";
    case Stage::rcpt:
      return "rcpt";
    case Stage::data:
      return "data";
    case Stage::content:
      return "content";
    case Stage::final_reply:
      return "final_reply";
  }
  return "?";
}

std::string_view name_of(Blame value) {
  switch (value) {
    case Blame::nobody:
      return "nobody";
    case Blame::local:
      return "local";
    case Blame::dns:
      return "dns";
    case Blame::destination:
      return "destination";
    case Blame::sender:
      return "sender";
    case Blame::recipient:
      return "recipient";
    case Blame::message:
      return "message";
  }
  return "?";
}

Outcome local_outcome(Disposition disposition, Stage stage, Blame blame, EnhancedCode enhanced,
                      std::string text) {
  Outcome outcome;
  outcome.disposition = disposition;
  outcome.stage = stage;
  outcome.blame = blame;
  outcome.reply.enhanced = enhanced;
  outcome.reply.text = std::move(text);
  return outcome;
}

}  // namespace postwain::mail
