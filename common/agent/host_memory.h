// What a delivery client has found out about the hosts it speaks to: what they cannot do whatever
// they offer, what has been seen working, and which addresses did not answer. In the process's
// memory: bounded, and everything is believed for a day at most. Pure.
//
// Something that is only suspected (a session broke where it might be the cause) is left out as
// well; the next session shows whether it was: confirm() when that one works, acquit() when it
// breaks in the same way.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/base/time.h"
#include "common/mail/ability.h"

namespace postwain::agent {

constexpr Duration kLackKept = std::chrono::hours(24);
constexpr std::size_t kHostsRemembered = 10000;  // beyond them the one seen longest ago goes

class HostMemory {
 public:
  // Known or suspected: not to be used there.
  mail::AbilitySet lacks(const std::string& host, MonoTime now) const;
  // Known for certain: to be told.
  mail::AbilitySet learned(const std::string& host, MonoTime now) const;
  mail::AbilitySet proven(const std::string& host, MonoTime now) const;

  // False: that was known, or suspected already, or it has been seen working there.
  bool suspect(const std::string& host, mail::Ability ability, MonoTime now);
  // Certain at once. False: it was known.
  bool learn(const std::string& host, mail::Ability ability, MonoTime now);
  // A session without these went well: what was suspected of them is certain now, and returned.
  mail::AbilitySet confirm(const std::string& host, mail::AbilitySet without, MonoTime now);
  // A session without it broke just so: it is not the cause.
  void acquit(const std::string& host, mail::Ability ability);
  void works(const std::string& host, mail::AbilitySet seen, MonoTime now);

  // Addresses, as Endpoint::text.
  void failed(const std::string& address, MonoTime now);
  void answered(const std::string& address);
  // When it failed last; nothing: it has not, as far as is known.
  std::optional<MonoTime> failed_at(const std::string& address, MonoTime now) const;

 private:
  struct Host {
    mail::AbilitySet suspected;
    mail::AbilitySet learned;
    mail::AbilitySet proven;
    MonoTime at{};
  };
  const Host* find(const std::string& host, MonoTime now) const;
  Host& touch(const std::string& host, MonoTime now);

  std::unordered_map<std::string, Host> hosts_;
  std::unordered_map<std::string, MonoTime> failed_;
};

}  // namespace postwain::agent
