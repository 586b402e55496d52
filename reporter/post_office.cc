#include "reporter/post_office.h"

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

void describe(log::Line& line, const Letter& letter) {
  line.kv("domain", letter.domain).kv("day", name_of(letter.day)).kv("to", letter.place.text());
}

}  // namespace

Status PostOffice::take(Letter letter) {
  if (waiting_.size() >= kLettersMax) return Error{"too many reports wait to be sent"};
  if (Status kept = parts_.drawer.put(letter); !kept) return kept;
  add(std::move(letter));
  return {};
}

void PostOffice::take_kept() {
  for (Letter& letter : parts_.drawer.letters()) add(std::move(letter));
}

void PostOffice::add(Letter letter) {
  std::string name = letter.name();
  Waiting waiting;
  waiting.letter = std::move(letter);
  waiting_.emplace(std::move(name), std::move(waiting));
}

void PostOffice::qmgr_up(daemon::QmgrLink& link, std::uint16_t worker) {
  link_ = &link;
  ids_.emplace(worker);
}

// Who waits for an answer asks again, with the same id: it is stored once.
void PostOffice::qmgr_down() {
  link_ = nullptr;
  for (auto& [name, waiting] : waiting_) {
    if (waiting.letter.place.kind != Place::Kind::mail || !waiting.on_its_way) continue;
    waiting.on_its_way = false;
    --on_their_way_;
  }
}

void PostOffice::work() {
  MonoTime now = mono_now();
  std::vector<std::string> due;  // one that cannot be sent at all is gone behind send()
  for (const auto& [name, waiting] : waiting_) {
    if (on_their_way_ + due.size() >= kOnTheirWayMax) break;
    bool possible = waiting.letter.place.kind == Place::Kind::web || link_ != nullptr;
    if (possible && !waiting.on_its_way && waiting.next <= now) due.push_back(name);
  }
  for (const std::string& name : due) send(name, waiting_.at(name));
}

void PostOffice::send(const std::string& name, Waiting& waiting) {
  waiting.on_its_way = true;
  ++on_their_way_;
  ++waiting.tries;
  if (waiting.letter.place.kind == Place::Kind::mail)
    send_mail(name, waiting);
  else
    post(name, waiting);
}

void PostOffice::send_mail(const std::string& name, Waiting& waiting) {
  const config::TlsReports& settings = parts_.config.tls_reports;
  WallTime now = wall_now();
  std::string compressed = gzip(waiting.letter.report);
  std::string content =
      report_mail(parts_.submitter, {settings.from, waiting.letter.place.address,
                                     waiting.letter.domain, waiting.letter.day, now, compressed});
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
  recipient.address = mail::Address::from_text(waiting.letter.place.address);
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

void PostOffice::submitted(const ipc::SubmitResult& result) {
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
void PostOffice::post(const std::string& name, const Waiting& waiting) {
  const Place& place = waiting.letter.place;
  parts_.resolver.lookup_addresses(place.host, [this, name, place, report = waiting.letter.report](
                                                   const dns::AddressAnswer& answer) {
    http::Request request;
    request.host = place.host;
    request.port = place.port;
    request.path = place.path;
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

void PostOffice::taken(const std::string& name, const std::string& how) {
  auto found = waiting_.find(name);
  if (found == waiting_.end()) return;
  {
    log::Line line(log::Level::info, "tls_report_sent");
    describe(line, found->second.letter);
    line.kv("as", how);
  }
  parts_.drawer.remove(name);
  waiting_.erase(found);
  --on_their_way_;
}

void PostOffice::refused(const std::string& name, bool for_good, const std::string& why) {
  auto found = waiting_.find(name);
  if (found == waiting_.end()) return;
  Waiting& waiting = found->second;
  --on_their_way_;
  if (for_good || wall_now() - waiting.letter.made >= kTriedFor) {
    log::Line line(log::Level::warning, "tls_report_given_up");
    describe(line, waiting.letter);
    line.kv("reason", why);
    parts_.drawer.remove(name);
    waiting_.erase(found);
    return;
  }
  waiting.on_its_way = false;
  Duration pause = pause_after(waiting.tries);
  waiting.next = mono_now() + pause;
  log::Line line(log::Level::info, "tls_report_waits");
  describe(line, waiting.letter);
  line.kv("reason", why).kv("next_in", format_duration(pause));
}

}  // namespace postwain::reporter
