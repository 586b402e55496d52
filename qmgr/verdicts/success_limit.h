// Reports of success that strangers ask for (RFC 3461 NOTIFY=SUCCESS). Whoever is in nobody's
// trust can name any reverse-path, and each report goes there in our name. So they quote nothing
// of his message, and one reverse-path gets a limited number of them in an hour; beyond it the mail
// is delivered all the same, and only the report is left out. Reports of failure are not concerned.
//
// Pure: time is told. Bounded: reverse-paths beyond kSuccessSendersMax share one allowance.
#pragma once

#include "common/base/rate_table.h"
#include "common/config/table/access.h"
#include "common/mail/address.h"

#include "qmgr/model/message.h"

namespace postwain::qmgr {

constexpr std::size_t kSuccessSendersMax = 20'000;
constexpr Rate kSuccessReports{30, std::chrono::hours(1)};

// Neither logged in, nor from a trusted network, nor from this machine: he could not have relayed.
bool is_strangers(const ipc::Arrival& arrival, const config::Access& access);

class SuccessLimit {
 public:
  // Whether one more report may go to this reverse-path; then it is counted.
  bool pass(const mail::Address& reverse_path, MonoTime now);

 private:
  RateTable known_{kSuccessSendersMax};
  RateTable others_{1};
};

}  // namespace postwain::qmgr
