#include "common/agent/report.h"

#include "common/base/time.h"
#include "common/log/log.h"

namespace postwain::agent {

void log_outcome(const Attempt& attempt, std::size_t row, const mail::Outcome& outcome) {
  const ipc::Lease& lease = attempt.lease();
  log::Line line(log::Level::info, name_of(outcome.disposition));
  line.kv("id", lease.id.text()).kv("to", lease.recipients[row].recipient.address.text());
  if (!outcome.remote_host.empty()) line.kv("host", outcome.remote_host);
  if (!outcome.remote_address.empty()) line.kv("address", outcome.remote_address);
  if (outcome.reply.code != 0) {
    line.kv("reply", outcome.reply.one_line());
  } else {
    line.kv("status", outcome.reply.enhanced.text());
    line.kv("reason", outcome.reply.text);
  }
  if (outcome.disposition != mail::Disposition::delivered) {
    line.kv("stage", name_of(outcome.stage)).kv("blame", name_of(outcome.blame));
  }
  if (outcome.in_doubt) line.kv("may_be_duplicate", true);
  if (!outcome.tls.empty()) line.kv("tls", outcome.tls);
  const std::string& keys = attempt.signed_by();
  if (!keys.empty() && attempt.is_sealed()) line.kv("sealed", keys);
  if (!keys.empty() && !attempt.is_sealed()) line.kv("signed", keys);
  line.kv("delay", format_duration(wall_now() - lease.received_at));
}

}  // namespace postwain::agent
