// The field Authentication-Results (RFC 8601 2.2) out of values. Whatever a value holds, one field
// comes out, in which a reader finds that value and nothing else: what a domain, an address or a
// reason could inject (line ends, quotes, semicolons, comments, octets above 127) is quoted,
// escaped or replaced. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/results/method_result.h"

namespace postwain::authentication {

constexpr std::size_t kMethodResultsMax = 50;     // of one field; further ones are left out
constexpr std::size_t kResultPropertiesMax = 20;  // of one result, the same
constexpr std::size_t kResultValueMax = 320;      // octets; longer values end with "..."
constexpr std::size_t kResultTextMax = 200;       // of a reason or a comment, the same
constexpr std::size_t kResultWordMax = 40;        // of a method, a result, or a part of a property

// The field with its CRLF, folded at 78 octets where there is a blank to fold at, and never with a
// line of 998 or more. Without results it says "none". utf8: the message may carry UTF-8 in its
// header section (RFC 6532).
std::string results_field(std::string_view authserv_id, const std::vector<MethodResult>& results,
                          bool utf8);

// What a reader of the field finds of a result: control octets, and octets above 127 where they
// are not permitted or no UTF-8, are question marks, and what is too long is cut. Properties whose
// names are no words are left out; nothing: the method or the result is no word.
std::optional<MethodResult> as_written(const MethodResult& result, bool utf8);
std::string authserv_id_as_written(std::string_view authserv_id);

}  // namespace postwain::authentication
