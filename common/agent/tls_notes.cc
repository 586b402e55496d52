#include "common/agent/tls_notes.h"

#include <utility>

namespace postwain::agent {

void TlsNotes::add(mail::TlsResult result) {
  auto found = counts_.find(result);
  if (found != counts_.end())
    ++found->second;
  else if (counts_.size() < kTlsNotesMax)
    counts_.emplace(std::move(result), 1);
}

std::vector<mail::CountedTlsResult> TlsNotes::take() {
  std::vector<mail::CountedTlsResult> out;
  while (!counts_.empty() && out.size() < kTlsNotesInFrame) {
    auto node = counts_.extract(counts_.begin());
    out.push_back({std::move(node.key()), node.mapped()});
  }
  return out;
}

}  // namespace postwain::agent
