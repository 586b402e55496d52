#include "reporter/report_sender.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/config/config.h"
#include "common/dns/special_address.h"
#include "common/log/log.h"
#include "common/mail/address.h"
#include "reporter/gzip.h"
#include "reporter/report_mail.h"

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

void ReportSender::qmgr_up(daemon::QmgrLink& link, std::uint16_t worker) {
  link_ = &link;
  ids_.emplace(worker);
}

// Who waits for an answer asks again, with the same id: it is stored once.
void ReportSender::qmgr_down() {
  link_ = nullptr;
  for (auto& [name, waiting] : waiting_) {
    if (waiting.pending.uri.kind != ReportUri::Kind::mail || !waiting.on_its_way) continue;
    waiting.on_its_way = false;
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
  const config::TlsReports& settings = parts_.config.tls_reports;
  WallTime now = wall_now();
  std::string compressed = gzip(waiting.pending.report);
  std::string content =
      report_mail(parts_.submitter, {settings.from, waiting.pending.uri.address,
                                     waiting.pending.domain, waiting.pending.day, now, compressed});
  std::string head;
  if (parts_.signer) {
    auto signature = dkim_signature(*parts_.signer, content, now);
    if (!signature) return refused(name, false, signature.error().text);
    head = *signature;
  }
  if (waiting.id.value == 0) waiting.id = ids_->next(now);
  ipc::Submit submit;
  submit.id = waiting.id;
  submit.envelope.reverse_path = mail::Address::from_text(settings.from);
  // Reports go out whatever TLS does (RFC 8460 3); and nobody here waits for a report about one.
  submit.envelope.tls_required_no = true;
  mail::Recipient recipient;
  recipient.address = mail::Address::from_text(waiting.pending.uri.address);
  recipient.notify.bits = mail::Notify::never;
  submit.envelope.recipients.push_back(std::move(recipient));
  submit.arrival = {"local", {}, {}, {}, now};
  std::string whole =
      fmt::format("Received: by {} (Postwain) id {};\r\n\t{}\r\n{}{}", parts_.submitter.hostname,
                  waiting.id.text(), format_rfc5322(now), head, content);
  if (whole.size() > ipc::kInlineContentMax) return refused(name, true, "the report is too large");
  submit.content = whole;
  link_->send(submit);
}

void ReportSender::submitted(const ipc::SubmitResult& result) {
  auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& entry) {
    return entry.second.on_its_way && entry.second.id == result.id;
  });
  if (found == waiting_.end()) return;
  std::string name = found->first;
  if (result.reply.code == 250) return taken(name, result.id.text());
  refused(name, result.reply.code >= 500,
          fmt::format("{} {}", result.reply.code, result.reply.text));
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
    request.body_type = "application/tlsrpt+gzip";
    parts_.fetcher.fetch(std::move(request), [this, name](const Result<std::string>& done) {
      if (done)
        taken(name, "posted");
      else
        refused(name, false, done.error().text);
    });
  });
}

void ReportSender::taken(const std::string& name, const std::string& how) {
  auto found = waiting_.find(name);
  if (found == waiting_.end()) return;
  {
    log::Line line(log::Level::info, "tls_report_sent");
    describe(line, found->second.pending);
    line.kv("as", how);
  }
  parts_.spool.remove(name);
  waiting_.erase(found);
  --on_their_way_;
}

void ReportSender::refused(const std::string& name, bool for_good, const std::string& why) {
  auto found = waiting_.find(name);
  if (found == waiting_.end()) return;
  Waiting& waiting = found->second;
  --on_their_way_;
  if (for_good || wall_now() - waiting.pending.made >= kTriedFor) {
    log::Line line(log::Level::warning, "tls_report_given_up");
    describe(line, waiting.pending);
    line.kv("reason", why);
    parts_.spool.remove(name);
    waiting_.erase(found);
    return;
  }
  waiting.on_its_way = false;
  Duration pause = pause_after(waiting.tries);
  waiting.next = mono_now() + pause;
  log::Line line(log::Level::info, "tls_report_waits");
  describe(line, waiting.pending);
  line.kv("reason", why).kv("next_in", format_duration(pause));
}

}  // namespace postwain::reporter
