#include "filter/deciding/keyed_hash.h"

#include "common/tls/digest.h"

namespace postwain::filter {

namespace {

std::uint64_t load(std::string_view octets) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < 8; ++i)
    out |= std::uint64_t{static_cast<unsigned char>(octets[i])} << (8 * i);
  return out;
}

}  // namespace

HashKey KeyedHash::operator()(std::string_view octets) const {
  std::string_view secret(reinterpret_cast<const char*>(secret_.data()), secret_.size());
  std::string sum = tls::digest().hmac_sha256(secret, octets);
  return {load(sum), load(std::string_view(sum).substr(8))};
}

}  // namespace postwain::filter
