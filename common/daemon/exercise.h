// What the libraries of this machine need of the kernel while a process works, tried out within its
// confinement by `postwain selftest`: a newer libc, libuv, OpenSSL … may make calls that no list
// foresees.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/config/config_fwd.h"

namespace postwain::daemon {

struct Exercise {
  std::string_view name;  // "dns"
  std::string_view what;  // "ask the DNS"
  // Done before anything is given up, as the process would; what it returns is then done within the
  // confinement, and fails with what did not work. It blocks, a few seconds at most.
  std::function<std::function<Status()>(const config::Config& config)> prepare;
};
using Exercises = std::vector<Exercise>;

// The name that asks a program which exercises it has: "name<TAB>what" lines.
constexpr std::string_view kListExercises = "list";

}  // namespace postwain::daemon
