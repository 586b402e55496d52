// How the TLS of this agent's connections ended, counted, until it is told to qmgr for the reports
// of RFC 8460. Exists only where reports are configured.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "common/base/time.h"
#include "common/mail/tls_result.h"

namespace postwain::agent {

constexpr Duration kTlsNotesEvery = std::chrono::seconds(5);
constexpr std::size_t kTlsNotesBytesMax = 16U << 20;  // of different ones; more are not counted
constexpr std::size_t kTlsNotesInFrame = 256U << 10;  // bytes, and one more result

class TlsNotes {
 public:
  void add(mail::TlsResult result);
  // Takes the next ones to be told; empty: that is all.
  std::vector<mail::CountedTlsResult> take();

 private:
  std::map<mail::TlsResult, std::uint64_t> counts_;
  std::size_t bytes_ = 0;  // of the results
};

}  // namespace postwain::agent
