#include "reporter/sending/report_sender.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/config.h"
#include "common/dns/special_address.h"
#include "common/mail/address.h"
#include "reporter/sending/gzip.h"

namespace postwain::reporter {

namespace {

constexpr std::size_t kAnswerMax = 64U << 10;

Duration pause_after(int tries) {
  Duration pause = kFirstPause;
  for (int i = 1; i < tries && pause < kPauseMax; ++i) pause *= 2;
  return std::min(pause, kPauseMax);
}

void describe(log::Line& line, const PendingReport& pending) {
  line.kv("domain", pending.domain).kv("day", name_of(pending.day)).kv("to", pending.uri.text());
}

}  // namespace

Status ReportSender::take(PendingReport pending) {
  if (waiting_.size() >= kReportsMax) return Error{"too many reports wait to be sent"};
  if (Status kept = parts_.spool.put(pending); !kept) return kept;
  add(std::move(pending));
  return {};
}

void ReportSender::take_kept() {
  for (PendingReport& pending : parts_.spool.pending_reports()) add(std::move(pending));
}

void ReportSender::add(PendingReport pending) {
  std::string name = pending.name();
  Waiting waiting;
  waiting.pending = std::move(pending);
  waiting_.emplace(std::move(name), std::move(waiting));
}

void ReportSender::qmgr_up(daemon::QmgrLink& link, mail::QueueIdSource& ids) {
  link_ = &link;
  ids_ = &ids;
}

// Who waits for an answer asks again, with the same id: it is stored once.
void ReportSender::qmgr_down() {
  link_ = nullptr;
  for (auto& [name, waiting] : waiting_) {
    if (waiting.pending.uri.kind != ReportUri::Kind::mail || !waiting.on_its_way) continue;
    waiting.on_its_way = false;
    waiting.handover.reset();
    --on_their_way_;
  }
}

void ReportSender::work() {
  MonoTime now = mono_now();
  std::vector<std::string> due;  // one that cannot be sent at all is gone behind send()
  for (const auto& [name, waiting] : waiting_) {
    if (on_their_way_ + due.size() >= kOnTheirWayMax) break;
    bool possible = waiting.pending.uri.kind == ReportUri::Kind::web || link_ != nullptr;
    if (possible && !waiting.on_its_way && waiting.next <= now) due.push_back(name);
  }
  for (const std::string& name : due) send(name, waiting_.at(name));
}

void ReportSender::send(const std::string& name, Waiting& waiting) {
  waiting.on_its_way = true;
  ++on_their_way_;
  ++waiting.tries;
  if (waiting.pending.uri.kind == ReportUri::Kind::mail)
    send_mail(name, waiting);
  else
    post(name, waiting);
}

void ReportSender::send_mail(const std::string& name, Waiting& waiting) {
  WallTime now = wall_now();
  if (waiting.id.value == 0) waiting.id = ids_->next(now);
  auto whole = content(waiting.pending, waiting.id, now);
  if (!whole) return refused(name, false, whole.error().text);
  std::uint64_t most = waiting.pending.octets_max;
  if (most > 0 && whole->size() > most)
    return refused(name, true,
                   fmt::format("it has {} octets, and the record says that {} are taken there",
                               whole->size(), most));
  waiting.handover.emplace(waiting.id, envelope(waiting.pending),
                           ipc::Arrival{"local", {}, {}, {}, now}, whole.take());
  waiting.handover->go(*link_);
}

Result<std::string> ReportSender::content(const PendingReport& pending, mail::QueueId id,
                                          WallTime now) const {
  std::string compressed = gzip(pending.report);
  std::string mail =
      parts_.kind.mail({pending.uri.address, pending.domain, pending.day, now, compressed});
  std::string signature;
  if (parts_.signer) {
    auto made = dkim_signature(*parts_.signer, mail, now);
    if (!made) return made.error();
    signature = made.take();
  }
  return fmt::format("Received: by {} (Postwain) id {};\r\n\t{}\r\n{}{}", parts_.submitter.hostname,
                     id.text(), format_rfc5322(now), signature, mail);
}

// Nobody here waits for a report about a report.
mail::Envelope ReportSender::envelope(const PendingReport& pending) const {
  mail::Envelope out;
  out.reverse_path = mail::Address::from_text(parts_.submitter.from);
  out.tls_required_no = parts_.kind.terms().despite_tls;
  mail::Recipient recipient;
  recipient.address = mail::Address::from_text(pending.uri.address);
  recipient.notify.bits = mail::Notify::never;
  out.recipients.push_back(std::move(recipient));
  return out;
}

std::map<std::string, ReportSender::Waiting>::iterator ReportSender::on_its_way(mail::QueueId id) {
  return std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& entry) {
    return entry.second.on_its_way && entry.second.id == id;
  });
}

void ReportSender::submitted(const ipc::SubmitResult& result) {
  auto found = on_its_way(result.id);
  if (found == waiting_.end()) return;
  std::string name = found->first;
  if (result.reply.code == 250) return taken(name, result.id.text());
  refused(name, result.reply.code >= 500,
          fmt::format("{} {}", result.reply.code, result.reply.text));
}

void ReportSender::stored(const ipc::ChunksStored& stored) {
  auto found = on_its_way(stored.id);
  if (found != waiting_.end() && found->second.handover)
    found->second.handover->go(*link_, stored.bytes);
}

// The host's address is looked up here, so that it is the operator's resolver that is asked, and
// never a private address that is visited.
void ReportSender::post(const std::string& name, const Waiting& waiting) {
  const ReportUri& uri = waiting.pending.uri;
  parts_.resolver.lookup_addresses(uri.host, [this, name, uri, report = waiting.pending.report](
                                                 const dns::AddressAnswer& answer) {
    http::Request request;
    request.host = uri.host;
    request.port = uri.port;
    request.path = uri.path;
    request.addresses = answer.addresses;
    if (!parts_.config.delivery.allow_private_mx)
      std::erase_if(request.addresses, dns::is_special_address);
    request.size_max = kAnswerMax;
    request.body = gzip(report);
    request.body_type = std::string(parts_.kind.terms().body_type);
    parts_.fetcher.fetch(std::move(request), [this, name](const Result<std::string>& done) {
      if (done)
        taken(name, "posted");
      else
        refused(name, false, done.error().text);
    });
  });
}

ipc::ReporterCounts ReportSender::take_counts() {
  ipc::ReporterCounts out = std::exchange(counts_, {});
  out.waiting = static_cast<std::uint32_t>(waiting_.size());
  return out;
}

void ReportSender::taken(const std::string& name, const std::string& how) {
  auto found = waiting_.find(name);
  if (found == waiting_.end()) return;
  {
    log::Line line(log::Level::info, is_tls() ? "tls_report_sent" : "dmarc_report_sent");
    describe(line, found->second.pending);
    line.kv("as", how);
  }
  ++counts_.sent;
  parts_.spool.remove(name);
  waiting_.erase(found);
  --on_their_way_;
}

void ReportSender::refused(const std::string& name, bool for_good, const std::string& why) {
  auto found = waiting_.find(name);
  if (found == waiting_.end()) return;
  Waiting& waiting = found->second;
  --on_their_way_;
  if (for_good || wall_now() - waiting.pending.made >= kTriedFor) return give_up(found, why);
  ++counts_.put_off;
  waiting.on_its_way = false;
  waiting.handover.reset();
  Duration pause = pause_after(waiting.tries);
  waiting.next = mono_now() + pause;
  log::Line line(log::Level::info, is_tls() ? "tls_report_waits" : "dmarc_report_waits");
  describe(line, waiting.pending);
  line.kv("reason", why).kv("next_in", format_duration(pause));
}

void ReportSender::give_up(std::map<std::string, Waiting>::iterator waiting,
                           const std::string& why) {
  {
    log::Line line(log::Level::warning, is_tls() ? "tls_report_given_up" : "dmarc_report_given_up");
    describe(line, waiting->second.pending);
    line.kv("reason", why);
  }
  ++counts_.given_up;
  parts_.spool.remove(waiting->first);
  waiting_.erase(waiting);
}

}  // namespace postwain::reporter
