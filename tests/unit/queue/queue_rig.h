// A whole queue on a store in memory, in virtual time. The test is the intake, the agents and the
// operator. What a "disk" keeps outlives a queue, so that the next one starts on it.
#pragma once

#include <catch2/catch.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "qmgr/queue/queue.h"
#include "tests/unit/qmgr/support.h"
#include "tests/unit/queue/memory_service.h"
#include "tests/unit/queue/virtual_clock.h"

namespace postwain::qmgr::test {

// What outlives a kill.
struct Disk {
  TempFolder folder;
  std::shared_ptr<MemoryState> state = std::make_shared<MemoryState>();
};

inline config::Config config_of_rig() {
  config::Config config;
  config.hostname = "mx.example.org";
  config.postmaster = "postmaster@example.org";
  config.queue.retry = {std::chrono::minutes(10)};
  config.queue.retry_lmtp = {std::chrono::minutes(1)};
  config.queue.jitter = 0;
  config.queue.history = Duration(0);
  return config;
}

class QueueRig {
 public:
  explicit QueueRig(Disk& disk, const config::Config& config = config_of_rig(),
                    Duration since_start = Duration(0))
      : clock(at(0) + since_start),
        service(disk.state),
        queue(loop, clock, service, ContentFolder(disk.folder.path() + "/content"), ObservedTime(),
              config,
              QueueHooks{[this] { ++work_; }, [](const StoreError& error) { FAIL(error.text); },
                         [this](const mail::Address&, const mail::Outcome&) { ++outcomes_; },
                         [this] { left_known_ = true; },
                         [this](mail::QueueId id, std::uint32_t index, const mail::Outcome& how) {
                           elsewhere_.push_back({id, index, how});
                         }}) {
    for (Pool pool : {Pool::smtp, Pool::lmtp}) queue.leasing().set_capacity(pool, 2000);
  }

  void start() {
    queue.recover();
    finish_start();
  }
  // The loop of the history's thread does not run here: its longest wait passes instead.
  void finish_start() {
    service.run();
    clock.pass(kHistoryWaitMax);
    service.run();
    REQUIRE(queue.start().complete());
  }
  // Asks, and has it answered.
  AcceptEnd accept(NewMessage message) {
    std::optional<AcceptEnd> end;
    queue.acceptance().accept(std::move(message), [&](AcceptEnd how) { end = how; });
    run();
    REQUIRE(end);
    return *end;
  }
  // What is due is read and offered.
  void run() {
    for (int rounds = 0; rounds < 100; ++rounds) {
      queue.advance();
      if (service.idle()) return;
      service.run();
    }
    FAIL("the queue never comes to rest");
  }
  void pass(Duration time) {
    clock.pass(time);
    run();
  }
  // Everything that may be leased now.
  std::vector<Pick> leases(Pool pool = Pool::smtp) {
    std::vector<Pick> out;
    while (std::optional<Pick> pick = queue.leasing().next(pool)) out.push_back(std::move(*pick));
    return out;
  }
  // The outcome of all recipients of a lease, and its end.
  void end(const Pick& pick, const mail::Outcome& outcome) {
    std::vector<IndexedOutcome> outcomes;
    AttemptSummary summary;
    for (std::uint32_t index : pick.job.recipients) {
      outcomes.push_back({index, outcome});
      summary.add(outcome, index);
    }
    queue.leasing().settle(pick.job.id, std::move(outcomes));
    queue.leasing().finished(pick, summary, outcome.reply.one_line());
    run();
  }
  const MemoryState& state() { return service.store().state(); }
  std::optional<StoredMessage> stored(std::uint64_t id) {
    auto found = QueueReader(service.store()).message(mail::QueueId{id}, 0, 1000);
    REQUIRE(found.ok());
    return found.take();
  }
  std::size_t messages() { return state().compact.size() + state().messages.size(); }
  // Those that were made here.
  std::vector<StoredMessage> notices() {
    std::vector<StoredMessage> out;
    for (const auto& one : state().compact) add_notice(one.first, out);
    for (const auto& one : state().messages) add_notice(one.first, out);
    return out;
  }

  std::size_t outcomes() const { return outcomes_; }
  bool left_known() const { return left_known_; }
  // Outcomes of messages that are another node's.
  struct Elsewhere {
    mail::QueueId id;
    std::uint32_t index;
    mail::Outcome outcome;
  };
  const std::vector<Elsewhere>& elsewhere() const { return elsewhere_; }

  net::Loop loop;
  postwain::test::VirtualClock clock;
  MemoryService service;

 private:
  void add_notice(mail::QueueId id, std::vector<StoredMessage>& out) {
    auto message = stored(id.value);
    if (message && message->info.kind != MessageKind::mail) out.push_back(std::move(*message));
  }

  std::size_t work_ = 0;
  std::size_t outcomes_ = 0;
  bool left_known_ = false;
  std::vector<Elsewhere> elsewhere_;

 public:
  Queue queue;
};

inline mail::Outcome outcome(mail::Disposition disposition, int code, mail::Stage stage,
                             mail::Blame blame) {
  mail::Outcome out;
  out.disposition = disposition;
  out.stage = stage;
  out.blame = blame;
  out.reply = {code, {static_cast<std::uint8_t>(code / 100), 0, 0}, "said so"};
  out.remote_host = "mx1.example.org";
  return out;
}
inline mail::Outcome delivered() {
  return outcome(mail::Disposition::delivered, 250, mail::Stage::final_reply, mail::Blame::nobody);
}
inline mail::Outcome deferred() {
  return outcome(mail::Disposition::deferred, 451, mail::Stage::rcpt, mail::Blame::recipient);
}
inline mail::Outcome failed() {
  return outcome(mail::Disposition::failed, 550, mail::Stage::rcpt, mail::Blame::recipient);
}
inline mail::Outcome unreachable() {
  return outcome(mail::Disposition::deferred, 0, mail::Stage::connect, mail::Blame::destination);
}

}  // namespace postwain::qmgr::test
