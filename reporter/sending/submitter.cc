#include "reporter/sending/submitter.h"

#include <fmt/format.h>

namespace postwain::reporter {

std::string report_id(const Submitter& submitter, Day day, const std::string& domain) {
  return fmt::format("{}.{}@{}", name_of(day), domain, submitter.hostname);
}

std::string report_file_name(const Submitter& submitter, Day day, const std::string& domain,
                             const char* extension) {
  return fmt::format("{}!{}!{}!{}.{}", submitter.domain, domain, first_second(day),
                     last_second(day), extension);
}

}  // namespace postwain::reporter
