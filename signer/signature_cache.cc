#include "signer/signature_cache.h"

namespace postwain::signer {

const std::string* SignatureCache::find(const HashOfKey& what) {
  auto found = places_.find(what);
  if (found == places_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return &found->second->second;
}

void SignatureCache::put(const HashOfKey& what, std::string signature) {
  if (places_.contains(what) || most_ == 0) return;
  if (places_.size() >= most_) {
    places_.erase(entries_.back().first);
    entries_.pop_back();
  }
  entries_.emplace_front(what, std::move(signature));
  places_.emplace(what, entries_.begin());
}

}  // namespace postwain::signer
