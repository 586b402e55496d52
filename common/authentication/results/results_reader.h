// Fields Authentication-Results that others have written, or that claim to be ours (RFC 8601 2.2):
// with comments, folds, quoted strings and versions wherever they may stand. Pure; the field is a
// stranger's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/authentication/results/method_result.h"

namespace postwain::authentication {

constexpr std::size_t kResultsFieldMax = 65536;  // octets; a longer field is not parsed
constexpr std::size_t kReadResultsMax = 200;     // with more results or properties it is not

struct ReadResults {
  std::string authserv_id;            // without quotes
  std::vector<MethodResult> results;  // of "none" there are none; words in lower case
};

// value: behind the colon, with its folds. Values that a strict reader would want in quotes are
// taken without them. Nothing: it cannot be parsed.
std::optional<ReadResults> parse_results(std::string_view value);

// Whether a field says that it is ours. Such a field in mail from outside is a forgery, or a
// mistake of the one before us, and has to go before a field of ours is put in front (RFC 8601 5).
enum class ResultsClaim : std::uint8_t {
  none,
  ours,  // its authserv-id is ours: in any letter case, as A-labels or U-labels, quoted or not
  // It cannot be parsed, and our authserv-id stands somewhere in it, or there are too many U-labels
  // to look at. Or it can be parsed as another's, and the id has an encoded word, or octets beyond
  // ASCII around our name. Readers differ in what they make of such a field, and one of them may
  // find us there.
  unparsable,
};
ResultsClaim claim_of(std::string_view value, std::string_view authserv_id);

struct ClaimingField {
  std::size_t index =
      0;  // among the fields of that name, from 1; removed from the last to the first
  ResultsClaim claim = ResultsClaim::none;
};
constexpr std::string_view kResultsFieldName = "Authentication-Results";
// header: the whole header section with its CRLFs.
std::vector<ClaimingField> claiming_fields(std::string_view header, std::string_view authserv_id);

}  // namespace postwain::authentication
