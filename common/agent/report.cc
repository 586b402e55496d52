#include "common/agent/report.h"

#include "common/agent/signing/key_choice.h"
#include "common/base/time.h"
#include "common/log/log.h"

namespace postwain::agent {

namespace {

// Where the public parts of the keys stand.
std::string names_of_keys(const mail::SigningRecord& signing) {
  std::string out;
  for (const mail::MadeSignature& one : signing.signatures)
    out += (out.empty() ? "" : ",") + record_name({one.domain, one.selector});
  return out;
}

}  // namespace

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
  const std::string keys = names_of_keys(attempt.signing);
  if (attempt.signing.end == mail::SigningEnd::sealed) line.kv("sealed", keys);
  if (attempt.signing.end == mail::SigningEnd::made) line.kv("signed", keys);
  line.kv("delay", format_duration(wall_now() - lease.received_at));
}

}  // namespace postwain::agent
