#include "common/authentication/dkim/result.h"

namespace postwain::authentication::dkim {

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::pass:
      return "pass";
    case Verdict::fail:
      return "fail";
    case Verdict::neutral:
      return "neutral";
    case Verdict::temperror:
      return "temperror";
    case Verdict::permerror:
      return "permerror";
    case Verdict::policy:
      break;
  }
  return "policy";
}

}  // namespace postwain::authentication::dkim
