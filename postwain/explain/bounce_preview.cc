#include "postwain/explain/bounce_preview.h"

#include <cstdio>

#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/base/text.h"
#include "common/config/load/bundle.h"
#include "common/notice/dsn_text.h"
#include "postwain/client/client_options.h"

namespace postwain::tool {

namespace {

struct Sample {
  const char* address;
  mail::Reply reply;
  mail::Stage stage;
  const char* host;
  bool expired;
};

std::vector<Sample> samples_of(notice::DsnAction action) {
  using mail::Stage;
  switch (action) {
    case notice::DsnAction::failed:
      return {{"bob@example.org",
               {550, {5, 1, 1}, "<bob@example.org>: Recipient address rejected:\nUser unknown"},
               Stage::rcpt,
               "mx1.example.org",
               false},
              {"carol@example.org",
               {552, {5, 2, 2}, "mailbox over quota"},
               Stage::rcpt,
               "mx1.example.org",
               false},
              {"dave@exmaple.net",
               {0, {5, 1, 2}, "the domain exmaple.net does not exist"},
               Stage::dns,
               "",
               false},
              {"erin@example.com",
               {0, {4, 4, 1}, "connection to mx.example.com[192.0.2.25]:25 timed out"},
               Stage::connect,
               "mx.example.com",
               true}};
    case notice::DsnAction::delayed:
      return {{"bob@example.org",
               {450, {4, 2, 0}, "Greylisted, please come back in 5 minutes"},
               Stage::rcpt,
               "mx1.example.org",
               false}};
    case notice::DsnAction::delivered:
    case notice::DsnAction::relayed:
    case notice::DsnAction::expanded:
      return {{"bob@example.org",
               {250, {2, 0, 0}, "accepted"},
               Stage::final_reply,
               "mx1.example.org",
               false}};
  }
  return {};
}

notice::DsnAction action_of(const PreviewOptions& options) {
  if (options.delayed) return notice::DsnAction::delayed;
  return options.success ? notice::DsnAction::relayed : notice::DsnAction::failed;
}

}  // namespace

std::string_view sample_original() {
  return "Received: from client.example.com by mx.example.com; Mon, 01 Jun 2026 08:00:00 +0000\r\n"
         "From: Alice <alice@example.com>\r\n"
         "To: bob@example.org\r\n"
         "Subject: Minutes of our meeting\r\n"
         "Message-ID: <sample-1@example.com>\r\n"
         "Date: Mon, 01 Jun 2026 10:00:00 +0200\r\n"
         "\r\n"
         "Hello,\r\n\r\nhere are the minutes.\r\n";
}

notice::DsnRequest sample_request(notice::DsnAction action, const std::string& hostname,
                                  const std::string& postmaster, WallTime now) {
  notice::DsnRequest request;
  request.action = action;
  request.hostname = hostname;
  request.postmaster = postmaster;
  request.to = mail::Address::from_text("alice@example.com");
  request.original_sender = request.to;
  request.arrived_at = now - std::chrono::hours(4);
  request.now = now;
  request.retry_until = now + std::chrono::hours(116);
  mail::QueueIdSource ids(0);
  request.original_id = ids.next(request.arrived_at);
  request.id = ids.next(now);
  request.envid = "SAMPLE-1";
  request.original_size = sample_original().size();
  for (const Sample& sample : samples_of(action)) {
    notice::DsnRecipient r;
    r.recipient.address = mail::Address::from_text(sample.address);
    r.recipient.orcpt = fmt::format("rfc822;{}", sample.address);
    r.reply = sample.reply;
    r.stage = sample.stage;
    r.remote_host = sample.host;
    r.last_attempt_at = now - std::chrono::minutes(1);
    r.expired = sample.expired;
    request.recipients.push_back(std::move(r));
  }
  return request;
}

int bounce_preview_command(const std::string& config_file, const PreviewOptions& options) {
  int kinds = int{options.failed} + int{options.delayed} + int{options.success};
  if (kinds > 1) return fail(kExitUsage, "only one of --failed, --delayed and --success");
  config::Loaded loaded = config::load(config_file);
  for (const config::Diagnostic& d : loaded.diagnostics) fmt::print(stderr, "{}\n", d.text());
  if (!loaded.diagnostics.empty()) return kExitConfig;
  const config::Config& config = loaded.config;
  notice::DsnRequest request =
      sample_request(action_of(options), config.hostname, config.postmaster, wall_now());
  request.words = config.bounces.words;
  request.original_max = config.bounces.original_max;
  std::string text;
  if (options.words_only) {
    notice::DsnForm form;
    form.whole = request.original_size <= request.original_max;
    text = notice::dsn_human_text(request, form);
  } else {
    text = notice::build_dsn(request, sample_original()).content;
  }
  for (std::string_view line : split(text, '\n')) {
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.data() + line.size() < text.data() + text.size()) fmt::print("{}\n", line);
  }
  return kExitOk;
}

}  // namespace postwain::tool
