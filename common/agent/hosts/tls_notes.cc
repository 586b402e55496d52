#include "common/agent/hosts/tls_notes.h"

#include <utility>

namespace postwain::agent {

void TlsNotes::add(mail::TlsResult result) {
  auto found = counts_.find(result);
  if (found != counts_.end()) {
    ++found->second;
    return;
  }
  std::size_t bytes = mail::bytes_of(result);
  if (bytes_ + bytes > kTlsNotesBytesMax) return;
  bytes_ += bytes;
  counts_.emplace(std::move(result), 1);
}

std::vector<mail::CountedTlsResult> TlsNotes::take() {
  std::vector<mail::CountedTlsResult> out;
  std::size_t taken = 0;
  while (!counts_.empty() && taken < kTlsNotesInFrame) {
    auto node = counts_.extract(counts_.begin());
    taken += mail::bytes_of(node.key());
    out.push_back({std::move(node.key()), node.mapped()});
  }
  bytes_ -= taken;
  return out;
}

}  // namespace postwain::agent
