// The signing of attempts: what is ours to sign waits here, between its lease and its destination,
// until its signatures are there. Connections see only what is ready to be sent.
//
// Nothing leaves unsigned because the signer is away: the attempt waits for it, kSignerWaitMax at
// most, and is then put off for a reason that blames nobody outside. What no key is meant for, and
// what cannot be signed (no author, or several), leaves as it came; the log says why.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/agent/attempt.h"
#include "common/agent/signing/signing_work.h"
#include "common/daemon/signer_port.h"
#include "common/daemon/worker.h"
#include "common/net/loop.h"

namespace postwain::agent {

constexpr Duration kSignerWaitMax = std::chrono::seconds(30);
// While the last that had waited was put off: each holds a lease, which others could have.
constexpr int kShorterWait = 10;  // times
constexpr Duration kSignerLookEvery = std::chrono::milliseconds(50);
// Texts of outcomes.
constexpr std::string_view kSignerAway = "the signer is away";
constexpr std::string_view kContentUnreadable = "the content of the message cannot be read";

class Signing {
 public:
  // The calls may come from inside any call to it.
  class Owner {
   public:
    virtual ~Owner() = default;
    // It may be sent now. Nobody here knows it any more.
    virtual void signing_done(Attempt& attempt) = 0;
    // It is not to be sent now; the same.
    virtual void signing_failed(Attempt& attempt, const mail::Outcome& outcome) = 0;
    // Content that is not in the lease: content_came() or content_lost() follows.
    virtual void ask_content(Attempt& attempt) = 0;
    // The file is not what the lease said; signing_failed() follows.
    virtual void content_broken(Attempt& attempt) = 0;
  };

  // port: null counts as a signer that is away. reader: reads files, and goes before this does.
  Signing(net::Loop& loop, daemon::SignerPort* port, daemon::Worker& reader, Owner& owner,
          SealRules seal, Duration wait_max = kSignerWaitMax);
  ~Signing();
  Signing(const Signing&) = delete;
  Signing& operator=(const Signing&) = delete;

  static bool is_wanted(const ipc::Lease& lease) {
    return lease.sign && lease.envelope.sign != mail::Signing::none && !lease.probe;
  }
  void begin(Attempt& attempt);
  bool has(const Attempt& attempt) const { return jobs_.contains(attempt.serial()); }
  // Its feed has been given the content, or will not be.
  void content_came(Attempt& attempt);
  void content_lost(Attempt& attempt);
  // All that wait here, which are the caller's again.
  std::vector<Attempt*> take_all();

 private:
  struct Job {
    Attempt* attempt = nullptr;
    enum class State : std::uint8_t {
      keys,       // waits for the signer to be there
      content,    // for qmgr
      work,       // for the thread
      signatures  // for the signer
    };
    State state = State::keys;
    // When it has waited too long for the signer; nothing: it has not waited for it yet.
    std::optional<MonoTime> until{};
    unsigned refusals = 0;      // of the signer
    MonoTime not_before{};      // of the next try
    std::uint64_t number = 0;   // of this try
    std::uint64_t request = 0;  // of the port
    std::optional<SigningPass> pass{};
    std::shared_ptr<SigningWork> work{};
    SigningPass& result() { return work ? work->pass() : *pass; }
  };

  std::shared_ptr<const KeyChoice> keys();
  void start(Job& job);
  void work(Job& job);
  void read_on(Job& job);
  void has_read(std::uint64_t serial, std::uint64_t number, bool done);
  void passed(Job& job);
  void ask_signer(Job& job);
  void signed_by(std::uint64_t serial, std::uint64_t number,
                 Result<std::vector<std::string>> signatures);
  void wait_for_signer(Job& job, std::string_view why);
  void note_away(std::string_view why);
  Duration patience() const { return gave_up_ ? wait_max_ / kShorterWait : wait_max_; }
  void look();
  void done(Job& job);
  void failed(Job& job, const mail::Outcome& outcome);
  void unreadable(Job& job);

  net::Loop& loop_;
  daemon::SignerPort* port_;
  daemon::Worker& reader_;
  Owner& owner_;
  const SealRules seal_;
  Duration wait_max_;
  std::unordered_map<std::uint64_t, Job> jobs_;  // by the attempt's serial
  std::shared_ptr<const KeyChoice> keys_;
  std::uint64_t number_ = 0;
  net::Timer look_;
  bool is_away_ = false;  // as the log was told
  bool gave_up_ = false;  // one has waited in vain, and none was signed since
};

}  // namespace postwain::agent
