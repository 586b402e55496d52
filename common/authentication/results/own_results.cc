#include "common/authentication/results/own_results.h"

#include <cstddef>
#include <vector>

#include "common/authentication/dkim/header_list.h"
#include "common/authentication/results/results_reader.h"
#include "common/base/text.h"

namespace postwain::authentication {

std::optional<std::string> own_results(std::string_view header, std::string_view authserv_id) {
  std::vector<ClaimingField> claims = claiming_fields(header, authserv_id);
  if (claims.size() != 1 || claims.front().claim != ResultsClaim::ours) return std::nullopt;
  dkim::HeaderList list(header);
  auto places = list.named(kResultsFieldName);
  std::size_t place = claims.front().index;
  if (place == 0 || place > places.size()) return std::nullopt;
  return std::string(trim(list.fields()[places[place - 1]].value));
}

std::string result_of(std::string_view value, std::string_view method) {
  auto read = parse_results(value);
  if (!read) return {};
  for (const MethodResult& one : read->results)
    if (one.method == method) return one.result;
  return {};
}

}  // namespace postwain::authentication
