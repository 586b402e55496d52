// What follows from DMARC for a message: the operator's setting, and within it what the domain of
// the author wishes, never more (RFC 9989 5.4). A policy of its domain alone gets no mail refused
// that has come by a mailing list or by a forwarder whom the operator trusts (RFC 9989 7.4;
// RFC 7960): such mail fails without anybody's fault. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/authentication/dmarc/dmarc_evaluation.h"

namespace postwain::authentication {

// In the order of their severity.
enum class DmarcAction : std::uint8_t {
  none,
  note,  // say it in the trace and in Authentication-Results, and nothing else
  hold,
  refuse,
};
std::string_view name_of(DmarcAction action);

struct DmarcCircumstances {
  DmarcAction setting = DmarcAction::note;  // the most that the operator permits; none: off
  bool from_list = false;                   // has_list_signs()
  bool trusted_chain = false;               // ARC passed, and a sealer is one that he trusts
};

// Why less is done than the domain wishes; a report has a word for each (RFC 9990 3.1.1.6).
enum class DmarcOverride : std::uint8_t {
  none,
  policy_test_mode,  // t=y
  local_policy,      // the operator's setting
  mailing_list,
  trusted_forwarder,
};
std::string_view name_of(DmarcOverride why);

struct DmarcDisposition {
  DmarcAction action = DmarcAction::none;
  DmarcOverride why = DmarcOverride::none;
  bool operator==(const DmarcDisposition&) const = default;
};

DmarcDisposition disposition(const DmarcResult& result, const DmarcCircumstances& circumstances);

// Whether the header section is that of a mailing list's message: it has List-Id (RFC 2919) or
// List-Post (RFC 2369), or says "Precedence: list". List-Unsubscribe alone is no sign, since every
// newsletter has it. Anybody can write these fields, so they may soften and never excuse.
bool has_list_signs(std::string_view header);

}  // namespace postwain::authentication
