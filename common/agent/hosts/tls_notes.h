// How the TLS of this agent's connections ended, counted, until it is told to qmgr for the reports
// of RFC 8460. Exists only where reports are configured.
#pragma once

#include "common/base/time.h"
#include "common/mail/reported/result_notes.h"
#include "common/mail/tls_result.h"

namespace postwain::agent {

constexpr Duration kTlsNotesEvery = std::chrono::seconds(5);

class TlsNotes : public mail::ResultNotes<mail::CountedTlsResult> {};

}  // namespace postwain::agent
