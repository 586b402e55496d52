// What a process that was taken over would try first, tried from within a confined one: the proof
// that it cannot (`postwain selftest`).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/sandbox/calls.h"

namespace postwain::sandbox {

// What there is to be reached, on this machine and by this configuration.
struct Targets {
  std::string spool_dir;
  std::vector<std::string> secrets;  // files with keys and passwords
  std::string abstract_socket{};     // somebody listens there (unix(7)), its name without the NUL
};

struct Attempt {
  std::string_view name;
  std::string_view what;  // "run a program"
  bool (*succeeds)(const Targets& targets);
  // For whom it is a part of his work, or cannot be kept from him: a launcher that shares its user
  // with the others reaches what is theirs.
  bool (*is_allowed)(Profile profile, bool own_user);
};

const std::vector<Attempt>& attempts();

// The exit code of a process that made an attempt. One that was killed for it has failed as well.
constexpr int kAttemptFailed = 0;
constexpr int kAttemptSucceeded = 1;
constexpr int kAttemptUnknown = 2;

// Makes the attempt with this name.
int attempt(std::string_view name, const Targets& targets);

// Makes all from this place in the list on, and writes for each a digit of the above to the
// descriptor. Where it is ended by one, that one has no digit.
void attempt_from(std::size_t first, const Targets& targets, int report);

}  // namespace postwain::sandbox
