#include "postwain/process/child_environment.h"

#include <algorithm>
#include <array>

namespace postwain::tool {

namespace {

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool speaks_tls(Kind kind) {
  return kind == Kind::smtpd || kind == Kind::smtp_client || kind == Kind::lmtp_client ||
         kind == Kind::reporter || kind == Kind::tokens || kind == Kind::db_link;
}

// A build with sanitizers is told by these how to report.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

}  // namespace

bool keeps_variable(Kind kind, std::string_view name) {
  constexpr std::array<std::string_view, 3> kAll = {"TZ", "TZDIR", "LANG"};
  constexpr std::array<std::string_view, 4> kTls = {"SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF",
                                                    "OPENSSL_MODULES"};
  constexpr std::array<std::string_view, 4> kSanitizers = {"ASAN_OPTIONS", "UBSAN_OPTIONS",
                                                           "LSAN_OPTIONS", "TSAN_OPTIONS"};
  if (is_one_of(kAll, name) || name.substr(0, 3) == "LC_") return true;
  if (speaks_tls(kind) && is_one_of(kTls, name)) return true;
  if (kind == Kind::tokens && name == "PATH") return true;
  return kSanitized && is_one_of(kSanitizers, name);
}

std::vector<std::string> environment_for(Kind kind, char* const* environment) {
  std::vector<std::string> out;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    std::string_view variable = *environment;
    std::size_t equals = variable.find('=');
    if (equals != std::string_view::npos && keeps_variable(kind, variable.substr(0, equals)))
      out.emplace_back(variable);
  }
  return out;
}

}  // namespace postwain::tool
