#include "common/config/table/authentication.h"

namespace postwain::config {

std::string_view name_of(AuthenticationAction action) {
  constexpr std::string_view kNames[] = {"off", "note", "hold", "refuse"};
  return kNames[static_cast<std::size_t>(action)];
}

}  // namespace postwain::config
