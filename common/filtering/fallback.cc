#include "common/filtering/fallback.h"

namespace postwain::filtering {

FilterFallback fallback_of(const config::Filter& filter) {
  if (filter.mode == config::FilterMode::watch) return FilterFallback::accept;
  switch (filter.on_failure) {
    case config::FilterFailure::accept:
      return FilterFallback::accept;
    case config::FilterFailure::hold:
      return FilterFallback::hold;
    case config::FilterFailure::defer:
      return FilterFallback::defer;
    case config::FilterFailure::refuse:
      return FilterFallback::refuse;
  }
  return FilterFallback::defer;
}

}  // namespace postwain::filtering
