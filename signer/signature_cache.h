// Signatures that were made lately. All attempts of one message within an hour have the same hash
// (its t= is made so), and one to a thousand domains needs one signature. Pure.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <utility>

namespace postwain::signer {

constexpr std::size_t kSignaturesKept =
    4096;  // of half a KiB; the one that was used longest ago goes

// What is signed: a hash, by the key with that number.
using HashOfKey = std::pair<std::uint32_t, std::string>;

class SignatureCache {
 public:
  explicit SignatureCache(std::size_t most = kSignaturesKept) : most_(most) {}

  // Null: there is none. Valid until the next put().
  const std::string* find(const HashOfKey& what);
  void put(const HashOfKey& what, std::string signature);
  std::size_t size() const { return places_.size(); }

 private:
  using Entry = std::pair<HashOfKey, std::string>;

  std::size_t most_;
  std::list<Entry> entries_;  // the one that was used last is the first
  std::map<HashOfKey, std::list<Entry>::iterator> places_;
};

}  // namespace postwain::signer
