// One attempt: a lease of qmgr on its way through this agent, with what is known of its recipients
// so far. Owned by the Agent; destinations and connections only point to it while they work on it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/agent/content_feed.h"
#include "common/ipc/messages.h"
#include "common/mail/reported/signing_record.h"
#include "common/mail/stage_times.h"
#include "common/smtp/client/client_commands.h"
#include "common/smtp/client/recipient_ledger.h"

namespace postwain::agent {

class Connection;
class SigningPass;

class Attempt {
 public:
  // The lease's content, when inlined, is copied into `buffer`: its view dies with the frame.
  Attempt(std::uint64_t serial, ipc::Lease lease, std::string buffer);
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  const ipc::Lease& lease() const { return lease_; }
  std::uint64_t serial() const { return serial_; }  // never repeats within the process

  // For the recipients that have no outcome yet; the numbers in the engine's events count these.
  smtp::Transaction transaction();
  // From such a number to the place in lease().recipients.
  std::size_t row(std::size_t number) const { return rows_[number]; }

  // A host put this recipient off, and another one is asked now: the outcome that counts if that
  // brings nothing better. What a host said comes before what none said.
  void hold(std::size_t row, mail::Outcome outcome);
  bool holds_any() const { return !held_.empty(); }
  // Of an outcome that is to be reported now and what is held: a later host's refusal does not undo
  // that a better one wants to be asked again.
  mail::Outcome weighed(std::size_t row, mail::Outcome outcome) const;

  // Takes the outcome of the recipient at that place; a second one is a bug.
  void settle(std::size_t row, mail::Outcome outcome);
  bool settled(std::size_t row) const { return ledger_.settled(row); }
  bool complete() const { return ledger_.close(); }
  // It is signed, or sealed: fields go in front, and the rest leaves in the form that was signed.
  void take_signatures(SigningPass& pass);
  std::string take_buffer() { return std::move(content_); }  // of a finished attempt

  ContentFeed feed;
  std::vector<ipc::RecipientOutcome> news;  // outcomes not yet sent to qmgr
  Connection* connection = nullptr;         // where it runs
  std::string mx_set;                       // ipc::Outcomes::mx_set, once the hosts are known
  std::optional<mail::StsPolicy> sts{};     // ipc::Outcomes::sts
  MonoTime started_at{};                    // on this connection
  // Where its time went, since it came; kept by whoever works on it.
  using Clock = std::chrono::steady_clock;
  const Clock::time_point came_at = Clock::now();
  mail::StageTimes times;
  mail::SigningRecord signing{};           // ipc::Outcomes::signing
  mail::Stage stage = mail::Stage::local;  // where it is on its connection
  // What is not accounted for was spent waiting.
  void account_waiting();
  std::vector<std::string> tried{};        // host_key() of those that put it off
  std::optional<mail::HostLacks> lacks{};  // ipc::Outcomes::lacks
  std::uint32_t flight = 0;                // ipc::Outcomes::flight
  unsigned otherwise = 0;                  // times it was given back to be asked in another way
  unsigned returns = 0;                    // connections that gave it back unanswered
  bool dropped = false;   // qmgr was lost and will lease it again: outcomes are not reported
  bool orphaned = false;  // qmgr was lost after the end of data: reported with LateOutcomes
  bool finished = false;
  bool has_news = false;  // stands in the agent's list of attempts with news

 private:
  std::uint64_t serial_;
  ipc::Lease lease_;
  std::string content_;
  std::uint64_t signed_size_ = 0;  // of content that is not inlined; 0: it is not signed
  smtp::RecipientLedger ledger_;
  std::vector<std::size_t> rows_;
  std::map<std::size_t, mail::Outcome> held_;  // by row, of those without an outcome
};

}  // namespace postwain::agent
