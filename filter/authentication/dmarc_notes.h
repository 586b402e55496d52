// What DMARC has found, counted, until it is told to qmgr for the reports of RFC 9990. Exists only
// where reports are configured.
#pragma once

#include <string>
#include <utility>

#include "common/base/time.h"
#include "common/mail/reported/dmarc_result.h"
#include "common/mail/reported/result_notes.h"

namespace postwain::filter {

constexpr Duration kDmarcNotesEvery = std::chrono::seconds(3);

class DmarcNotes : public mail::ResultNotes<mail::CountedDmarcResult, mail::DmarcResultOrder> {
 public:
  // own_address: from which reports are sent.
  explicit DmarcNotes(std::string own_address) : own_address_(std::move(own_address)) {}
  const std::string& own_address() const { return own_address_; }

 private:
  std::string own_address_;
};

}  // namespace postwain::filter
