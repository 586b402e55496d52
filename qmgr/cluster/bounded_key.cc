#include "qmgr/cluster/bounded_key.h"

namespace postwain::qmgr::cluster {

namespace {

constexpr std::size_t kNumberOctets = 9;  // with the line end

}  // namespace

std::uint64_t key_number(std::string_view name) {
  std::uint64_t number = 0xcbf29ce484222325U;
  for (char c : name) number = (number ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return number ^ number >> 32U;
}

std::string bounded_key(std::string_view prefix, std::string_view name, std::size_t most) {
  std::string key;
  key.reserve(prefix.size() + name.size());
  key += prefix;
  key += name;
  if (key.size() <= most) return key;
  const std::uint64_t number = key_number(name);
  key.resize(most - kNumberOctets);
  key += '\n';
  for (unsigned i = 8; i-- > 0;) key += static_cast<char>((number >> (8 * i)) & 0xFFU);
  return key;
}

}  // namespace postwain::qmgr::cluster
