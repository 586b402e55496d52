// One connection to one address of a next hop: a stream with its TLS, the client engine, and one
// timer. It carries attempts, one after the other or the next behind the end of the one before, and
// tells its owner what happened. It knows no other address and makes no second try.
//
// What ends a message's data may have to wait (end_gate.h): connection_gate.cc.
//
// Time-outs: one deadline, moved at each reply and each flight; the timer behind it is only set
// again when it fires early or must fire earlier.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/agent/hosts/next_hosts.h"
#include "common/agent/login.h"
#include "common/agent/pacing/pace.h"
#include "common/agent/services.h"
#include "common/daemon/channel.h"
#include "common/mail/next_hop.h"
#include "common/smtp/client/client_engine.h"

namespace postwain::agent {

constexpr std::size_t kMessagesPerConnectionMax = 1000;
constexpr Duration kConnectionAgeMax = std::chrono::seconds(300);
constexpr Duration kIdleMax = std::chrono::seconds(5);
// Where connections are counted: so long one that others wait for goes on taking messages, and so
// long leave to open one is waited for.
constexpr Duration kTurnMax = std::chrono::seconds(2);
constexpr Duration kLeaveWaitMax = std::chrono::minutes(5);
// Bytes not yet taken by the kernel beyond which no further content is encoded.
constexpr std::size_t kSendAheadMax = 128U << 10;

struct ConnectionPlan {
  Candidate candidate;
  std::string source;  // local address, empty: the system decides
  mail::TlsLevel tls = mail::TlsLevel::may;
  const mail::Transport* transport = nullptr;  // the destination's, which outlives the connection
  const ClientTls* contexts = nullptr;         // the same
  bool token_refused = false;                  // the next hop did not take the last one
  std::size_t flight_max = 1;                  // smtp::ClientOptions::flight_max
  mail::StageTimes spent{};                    // at other addresses before this one
  mail::AbilitySet avoid{};                    // by the route's word, or as the host is remembered
  bool in_clear_again = false;                 // a handshake failed, this is the try in clear
  // Not empty: leave is to be asked for first, in the name of `owner`.
  std::vector<ipc::ConnectionBound> bounds{};
  std::uint64_t owner = 0;

  bool logs_in() const { return transport->credential.present() && !candidate.is_fallback; }
};

// Put off by a host that may not have it, for no reason of ours: another host may take it.
bool may_go_on(const mail::Outcome& outcome);
// Whether we gave the session up: nothing is said of the server then.
bool is_our_own_end(const mail::Outcome& outcome);

// Whether it shows before the first transaction that these are lacking.
extern const mail::AbilitySet kOfTls;

class Connection : private EndGate::Waiter {
 public:
  // The calls may come from inside any call to the connection; none of them may destroy it, the
  // owner does that at the end of the turn.
  class Owner {
   public:
    virtual ~Owner() = default;
    // Room for one more; nullptr when nobody waits.
    virtual Attempt* next_attempt(Connection& connection) = 0;
    // Whether another host remains that may be asked for what this one puts off; then go_on()
    // follows, instead of the end of the attempt.
    virtual bool has_next_host(Connection& connection, const Attempt& attempt) = 0;
    virtual void go_on(Connection& connection, Attempt& attempt) = 0;
    // Leave to open it has come, perhaps late: whether it is still of use.
    virtual bool wants(const Connection& connection) const = 0;
    virtual void ready(Connection& connection) = 0;
    // Nothing of the attempt was answered: it may try another connection, else the outcome holds.
    virtual void returned(Connection& connection, Attempt& attempt, mail::Outcome outcome) = 0;
    // The last call: the connection is over. ended(): in order, it was idle; over(): it failed.
    virtual void over(Connection& connection, mail::Outcome outcome) = 0;
    virtual void ended(Connection& connection) = 0;
  };

  Connection(Services& services, Owner& owner, ConnectionPlan plan);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool is_ready() const { return ready_; }
  bool connecting() const { return channel_ == nullptr && !waits_for_leave_; }
  // It is not begun: others have all the connections there may be.
  bool waits_for_leave() const { return waits_for_leave_; }
  // It has carried nothing yet.
  bool fresh() const { return served_ == 0 && running_.empty(); }
  bool idle() const { return ready_ && running_.empty() && engine_.idle(); }
  std::size_t served() const { return served_; }
  // It ended, and somebody may or may not have got his message.
  bool left_doubt() const { return left_doubt_; }
  // It ended, and the same host may be asked in another way now (services.memory knows which).
  bool asks_otherwise() const { return otherwise_; }
  // The address could not be reached for want of a route, which shows at once.
  bool had_no_route() const { return no_route_; }
  bool clear_was_refused() const { return engine_.clear_was_refused(); }
  bool carries_flights() const {
    return plan_.flight_max > 1 && engine_.peer().chunking && engine_.peer().pipelining;
  }
  Duration round_trip() const { return pace_.round_trip(); }
  const ConnectionPlan& plan() const { return plan_; }
  // How long it took to get where it is; moves to the first attempt that it carries.
  const mail::StageTimes& opening() const { return opening_; }

  // Takes attempts from the owner while there is room, and sends what can be sent. May end in
  // over().
  void pump();
  void content_arrived() { pump(); }
  void content_failed();
  bool past_end(const Attempt& attempt) const { return engine_.past_end(attempt.serial()); }
  // qmgr is lost, or this machine's term is over: attempts past their end of data are awaited, the
  // others given up.
  void stop(std::string_view why);
  // The time is up: everything is given up, nothing more is sent.
  void abandon(std::string_view why);
  // Ends an idle connection with QUIT.
  void quit();
  // Others wait for one: it ends when nobody uses it, or when it has had its turn (kTurnMax).
  void give_up();
  bool is_given_up() const { return gives_up_at_.has_value(); }

 private:
  void ask_leave();
  void connect();
  mail::Outcome not_connected(const Error& error) const;
  mail::Outcome no_leave() const;
  void connected(Status status);
  void received(std::string_view bytes);
  void closed(const std::string& why);
  bool handle(smtp::ClientEvent& event);
  void note_end(const Attempt& attempt);
  void charge();
  void mark_stages();
  void note_idle(bool idle);
  void start_tls();
  void tls_opened();
  void note_tls(mail::TlsEnd end, std::string_view reason);
  void note_tls_unfinished(const mail::Outcome& outcome);
  // connection_memory.cc
  void note_lack(mail::Ability ability);
  void note_trouble(const mail::Outcome& outcome);
  void note_served(Attempt& attempt);
  void confirm_lacks(mail::AbilitySet without);
  std::string hint_for(const mail::Outcome& outcome) const;
  void log_in();
  void token_came(const ipc::Token& token);
  void begin_login(const std::string& token);
  void answer_challenge(std::string_view challenge);
  void logged_in();
  bool has_room() const;
  std::uint32_t useful_attempts() const;
  void start(Attempt& attempt);
  Attempt& running(std::uint64_t key);
  void forget(Attempt& attempt);
  void take_outcome(Attempt& attempt, std::size_t row, mail::Outcome outcome);
  bool feed_content();
  void flush();
  // connection_gate.cc
  void send_output();
  void end_left();
  void end_held();
  void forget_gate();
  void look_again() override;
  bool waits_at_gate() const;
  mail::Outcome complete(mail::Outcome outcome) const;

  void update_deadline();
  void set_deadline(Duration after);
  void timer_fired();
  Duration timeout(smtp::Wait wait) const;

  Services& services_;
  Owner& owner_;
  ConnectionPlan plan_;
  smtp::ClientEngine engine_;
  Pace pace_;
  MonoTime asked_at_{};     // of the hello, for the round trip
  MonoTime answered_at_{};  // of the last message
  std::optional<Login> login_;
  std::uint64_t token_request_ = 0;  // 0: none is awaited
  std::shared_ptr<void> leave_;      // to have it open, where connections are counted
  bool waits_for_leave_ = false;
  std::optional<MonoTime> gives_up_at_;
  net::Stream connecting_;
  std::unique_ptr<daemon::Channel> channel_;
  net::Timer timer_;
  MonoTime deadline_{};
  MonoTime fires_at_{};
  MonoTime opened_at_{};
  std::uint64_t seen_progress_ = UINT64_MAX;
  Attempt::Clock::time_point charged_at_ = Attempt::Clock::now();
  mail::Stage stage_ = mail::Stage::connect;  // until it is ready
  mail::StageTimes opening_;
  std::vector<Attempt*> running_;
  Attempt* feeding_ = nullptr;
  std::size_t served_ = 0;
  std::string output_;
  std::vector<std::size_t> ends_;       // of data, in output_
  std::optional<BootTime> held_since_;  // the next end of data, by the gate or by the kernel
  std::string tls_text_;
  std::list<Connection*>::iterator idle_place_{};  // in Services::idle
  bool is_idle_ = false;                           // stands there
  bool ready_ = false;
  bool otherwise_ = false;
  bool no_route_ = false;
  bool left_doubt_ = false;
  bool handshaking_ = false;
  bool tls_noted_ = false;
  bool pumping_ = false;
};

}  // namespace postwain::agent
