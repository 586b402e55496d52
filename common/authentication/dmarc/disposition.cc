#include "common/authentication/dmarc/disposition.h"

#include <algorithm>
#include <vector>

#include "common/base/text.h"
#include "common/content/header_edits.h"

namespace postwain::authentication {

namespace {

DmarcAction wished_action(DmarcPolicy policy) {
  switch (policy) {
    case DmarcPolicy::none:
      break;
    case DmarcPolicy::quarantine:
      return DmarcAction::hold;
    case DmarcPolicy::reject:
      return DmarcAction::refuse;
  }
  return DmarcAction::note;
}

bool is_list_sign(std::string_view field) {
  std::size_t colon = field.find(':');
  std::string_view name = trim(field.substr(0, colon));
  if (iequals(name, "List-Id") || iequals(name, "List-Post")) return true;
  if (!iequals(name, "Precedence")) return false;
  std::string_view value = trim(field.substr(colon + 1, field.find_first_of("\r\n") - colon - 1));
  return iequals(value, "list");
}

}  // namespace

std::string_view name_of(DmarcAction action) {
  switch (action) {
    case DmarcAction::none:
      return "none";
    case DmarcAction::note:
      return "note";
    case DmarcAction::hold:
      return "hold";
    case DmarcAction::refuse:
      return "refuse";
  }
  return "";
}

std::string_view name_of(DmarcOverride why) {
  switch (why) {
    case DmarcOverride::none:
      break;
    case DmarcOverride::policy_test_mode:
      return "policy_test_mode";
    case DmarcOverride::local_policy:
      return "local_policy";
    case DmarcOverride::mailing_list:
      return "mailing_list";
    case DmarcOverride::trusted_forwarder:
      return "trusted_forwarder";
  }
  return "";
}

DmarcDisposition disposition(const DmarcResult& result, const DmarcCircumstances& circumstances) {
  if (result.verdict != DmarcVerdict::fail || circumstances.setting == DmarcAction::none) return {};
  DmarcAction wish = wished_action(result.policy);
  DmarcDisposition out{std::min(circumstances.setting, wish), DmarcOverride::none};
  if (result.policy != result.published) out.why = DmarcOverride::policy_test_mode;
  if (out.action < wish) out.why = DmarcOverride::local_policy;
  if (circumstances.trusted_chain && out.action > DmarcAction::note)
    return {DmarcAction::note, DmarcOverride::trusted_forwarder};
  if (circumstances.from_list && out.action > DmarcAction::hold)
    return {DmarcAction::hold, DmarcOverride::mailing_list};
  return out;
}

bool has_list_signs(std::string_view header) {
  mail::HeaderEdits fields(header, 0);
  std::vector<std::string_view> shown = fields.shown();
  return std::any_of(shown.begin(), shown.end(), is_list_sign);
}

}  // namespace postwain::authentication
