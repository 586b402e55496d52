// What mail authentication has found of a message, as macros for the filters behind it: they need
// not parse the field Authentication-Results. Pure.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "common/authentication/results/method_result.h"
#include "common/ipc/filter_messages.h"

namespace postwain::filter {

// Octets of {auth_authres}; a longer one is not told, since a part of it would say something else.
// The field is there in any case.
constexpr std::size_t kResultsMacroMax = 8U << 10;

// {spf_result}: of the sender's domain, or of the hello where there is no sender. {dkim_result}:
// "pass" where one of the signatures passes, else what was found of the first one. {dmarc_result},
// {arc_result}. {auth_authres}: the value of the field, unfolded. What was not looked at has none.
std::vector<ipc::FilterMacro> result_macros(
    const std::vector<authentication::MethodResult>& results, std::string_view field_value);

}  // namespace postwain::filter
