// pw-fill: a queue with very many deferred messages, made in minutes through the real store, so
// that Postwain's behaviour above it can be measured (scale.py). The folder is a spool that is not
// in use.
#include <cstdio>
#include <string>

#include <fmt/format.h>

#include "bench/tool.h"
#include "common/base/sysexits.h"
#include "qmgr/store/sqlite/sqlite_store.h"
#include "qmgr/store/writing/batch_writer.h"
#include "qmgr/store/writing/store_worker.h"

using namespace postwain;
using namespace postwain::qmgr;

namespace {

constexpr std::uint64_t kOfOneCommit = 2000;

struct Plan {
  std::uint64_t messages = 1'000'000;
  std::uint64_t recipients = 3;  // of each
  std::uint64_t domains = 20'000;
  std::uint64_t size = 1024;
  std::uint64_t due = 100;  // the last ones, whose recipients are in due.test and due now
};

std::string domain_of(const Plan& plan, std::uint64_t number, std::uint64_t index) {
  if (number + plan.due >= plan.messages) return "due.test";
  return fmt::format("d{}.test", (number * 7919 + index) % plan.domains);
}

NewMessage message_of(const Plan& plan, std::uint64_t number, mail::QueueId id, WallTime at) {
  NewMessage message;
  message.info.id = id;
  message.info.envelope.reverse_path =
      mail::Address::from_text(fmt::format("sender{}@fill.test", number % 1000));
  message.info.arrival.received_at = at;
  message.info.arrival.protocol = "ESMTP";
  message.info.arrival.client_address = "192.0.2.1";
  message.info.arrival.client_name = "client.fill.test";
  for (std::uint64_t i = 0; i < plan.recipients; ++i) {
    NewRecipient r;
    std::string domain = domain_of(plan, number, i);
    r.recipient.address = mail::Address::from_text(fmt::format("user{}@{}", number, domain));
    r.destination = "mx:" + domain;
    message.recipients.push_back(std::move(r));
  }
  message.content = fmt::format("Subject: {}\r\n\r\n", number);
  while (message.content.size() + 2 < plan.size) message.content += 'x';
  message.content += "\r\n";
  message.info.size = message.content.size();
  return message;
}

// As after a first attempt that found the destination's server not answering.
Settlement deferral_of(const NewMessage& message, std::uint64_t number, WallTime now) {
  Settlement settlement;
  settlement.id = message.info.id;
  for (std::size_t i = 0; i < message.recipients.size(); ++i) {
    RecipientChange change;
    change.index = static_cast<std::uint32_t>(i);
    change.destination = message.recipients[i].destination;
    change.attempts = 1;
    change.next_attempt_at =
        now + std::chrono::hours(6) + std::chrono::seconds((number * 31 + i) % 36000);
    change.last.at = now - std::chrono::hours(1);
    change.last.stage = mail::Stage::connect;
    change.last.reply = {0, {4, 4, 1}, "connect to mx.test (192.0.2.2:25): connection timed out"};
    settlement.changes.push_back(std::move(change));
  }
  return settlement;
}

StoreStatus fill(const Plan& plan, QueueStore& store) {
  WallTime now = wall_now();
  mail::QueueIdSource ids(0);
  BatchWriter writer(store, nullptr);
  for (std::uint64_t number = 0; number < plan.messages;) {
    Batch accepts;
    Batch settles;
    for (std::uint64_t end = std::min(plan.messages, number + kOfOneCommit); number < end;
         ++number) {
      WallTime at = now - std::chrono::hours(2) + Duration(number * 7'000'000 / plan.messages);
      NewMessage message = message_of(plan, number, ids.next(at), at);
      if (number + plan.due < plan.messages) {
        settles.settles.push_back(std::make_unique<SettleRequest>());
        settles.settles.back()->settlement = deferral_of(message, number, now);
      }
      accepts.accepts.push_back(std::make_unique<AcceptRequest>());
      accepts.accepts.back()->submission.message = std::move(message);
      accepts.accepts.back()->due = now;
    }
    Batch written;
    for (Batch* batch : {&accepts, &settles})
      if (StoreStatus s = writer.write(*batch, written); !s) return s;
    if (store.maintenance().log_bytes() > kCheckpointTruncateBytes)
      if (StoreStatus s = store.maintenance().checkpoint(true); !s) return s;
    fmt::print(stderr, "\r{} of {}", number, plan.messages);
  }
  fmt::print(stderr, "\n");
  return store.maintenance().checkpoint(true);
}

}  // namespace

int main(int argc, char** argv) {
  bench::Options options(argc, argv, {"--messages", "--recipients", "--domains", "--size", "--due"},
                         {},
                         "usage: pw-fill [--messages N] [--recipients N of each] [--domains N]\n"
                         "  [--size BYTES] [--due N messages to due.test that are due now] SPOOL");
  if (options.words().size() != 1) options.fail("the spool of a Postwain that does not run");
  Plan plan;
  plan.messages = options.number("--messages", plan.messages);
  plan.recipients = options.number("--recipients", plan.recipients);
  plan.domains = options.number("--domains", plan.domains);
  plan.size = options.number("--size", plan.size);
  plan.due = options.number("--due", plan.due);
  Result<std::string> folder = real_path(options.words()[0]);
  if (!folder) return fmt::print(stderr, "{}\n", folder.error().text), kExitNoInput;
  auto store = SqliteStore::open(*folder + "/queue.db");
  if (!store) return fmt::print(stderr, "{}\n", store.error().text), kExitUnavailable;
  if (StoreStatus s = fill(plan, **store); !s)
    return fmt::print(stderr, "{}\n", s.error().text), kExitIoError;
  return kExitOk;
}
