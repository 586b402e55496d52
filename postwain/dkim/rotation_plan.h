// What comes next in changing the keys of a domain. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/authentication/dkim/signature_field.h"
#include "postwain/dns_check/own_keys.h"

namespace postwain::tool {

// A write of one file: keys that begin to sign there, and keys that cease to, by their numbers.
struct RotationWrite {
  std::string file;
  std::vector<std::size_t> begin;
  std::vector<std::size_t> end;
};

struct RotationPlan {
  // In this order. After each of them the domain is signed with each algorithm as it was before.
  std::vector<RotationWrite> writes;
  std::vector<std::size_t> staying;  // the keys that sign then, where something changes
  // Keys that nothing follows yet: without writes, each is to get a next one.
  std::vector<std::size_t> without_next;
};

// keys: of one configuration, with their roles; only those of the domain count. Of each algorithm
// the newest key that signs or is the next one is the one that signs afterwards.
RotationPlan plan_rotation(const std::vector<OwnKey>& keys, const std::string& domain);

}  // namespace postwain::tool
