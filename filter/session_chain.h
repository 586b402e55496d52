// The judges of one SMTP session. What smtpd tells is taken up in order, one thing after another;
// an event of a command goes to one filter after another until one refuses it.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "common/ipc/filter_messages.h"
#include "filter/chain_member.h"
#include "filter/message_pass.h"
#include "filter/shared.h"

namespace postwain::filter {

// What waits to be taken up in one session; beyond, smtpd has lost its senses.
constexpr std::size_t kInputsMax = 16U << 20;  // octets, with those of lists
constexpr std::size_t kMacrosKept = 500;

// The way back to smtpd.
class ChainPort {
 public:
  virtual ~ChainPort() = default;
  virtual void send(const ipc::FilterAnswer& answer) = 0;
  virtual void send(const ipc::FilterWindow& window) = 0;
  virtual void send(const ipc::FilterBodyPiece& piece) = 0;
  // False: it is too large for a frame.
  virtual bool send(const ipc::FilterResult& result) = 0;
};

class SessionChain final : private MemberOwner {
 public:
  SessionChain(Shared& shared, ipc::FilterSession session, ChainPort& port);
  ~SessionChain() override;

  // Each false: smtpd says what it must not.
  bool event(ipc::FilterEvent event);
  bool header(const ipc::FilterHeader& header);
  bool body(std::string_view octets);
  bool window(std::uint32_t octets);
  // The message is over without a verdict.
  void abort();

  bool in_message() const { return message_.has_value(); }

 private:
  struct Input {
    enum class Kind : std::uint8_t { event, header, body } kind = Kind::event;
    ipc::FilterEvent event{};
    std::uint32_t hidden = 0;
    std::string octets{};
    std::size_t size() const;
  };

  void member_changed() override { step(); }
  bool push(Input input);
  void step();
  void forget_message();
  void forget_results();
  void begin(Input input);
  void begin_event(ipc::FilterEvent event);
  bool go_on();
  bool go_on_with_command();
  bool ends_command(const ChainMember& member, const Opinion& opinion);
  void refuse_command(bool of_message);
  std::vector<ipc::FilterJudgement> judgement_of_command() const;
  void answer(ipc::FilterVerdict verdict, const mail::Reply& reply, const std::string& filter,
              std::vector<ipc::FilterJudgement> alone = {});
  void count_message();
  bool end_message();
  bool send_body(const BodyStore& body, bool& failed);
  void permit_more();

  Shared& shared_;
  SessionFacts facts_;
  ChainPort& port_;
  Members members_;
  std::deque<Input> inputs_;
  std::size_t inputs_size_ = 0;
  std::optional<ipc::FilterEvent> event_;     // under way
  std::size_t at_ = 0;                        // whose turn it is
  bool given_ = false;                        // it has got the event
  MonoTime asked_{};                          // when
  ChainVerdict said_;                         // of the event, by those before
  bool said_of_message_ = false;              // the condition in it is of the whole message
  std::optional<ipc::FilterAnswer> refused_;  // the session was, at CONNECT or HELO
  bool refused_for_good_ = false;             // at CONNECT
  std::optional<MessagePass> message_;
  struct {
    std::size_t open = ipc::kFilterFirstWindow;  // octets that smtpd may still send
    std::size_t waiting = 0;                     // that it has sent and were not taken up
    std::size_t come = 0;                        // since it was last permitted to send more
    std::size_t sent = 0;        // octets of new bodies that smtpd has not confirmed
    std::uint64_t new_body = 0;  // of the new body, that were sent
  } window_;
  bool stepping_ = false;
};

}  // namespace postwain::filter
