// What one SMTP session tells the filters, and what they answer. The session says what happens;
// where an answer counts it waits until filter_answered() is called. Where nobody listens, nothing
// is sent and nothing is awaited.
//
// While the filters cannot be asked, the fallback of the listener counts, for the message at hand
// only: the next one asks again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/filtering/filter_link.h"
#include "common/ipc/filter_messages.h"
#include "common/ipc/told_macros.h"

namespace postwain::filtering {

mail::Reply filters_unavailable();  // 451 4.7.1
mail::Reply filters_refuse();       // 554 5.7.1
// In place of the judgements of filters that could not be asked of a message: what follows, and
// how it failed. It has no filter's name.
ipc::FilterJudgement unasked(const ipc::FilterResult& result, ipc::FilterFailure failure);

class SessionFilter final : private FilterPeer {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // Of the event that is awaited. reply.code is 0 where the session may go on.
    virtual void filter_answered(const ipc::FilterAnswer& answer) = 0;
    // The message is refused while its content comes in.
    virtual void filter_refused_content(const ipc::FilterAnswer& answer) = 0;
    // More of the body may be told.
    virtual void filter_window_opened() = 0;
    // A piece of the body that takes the place of the one that was told, before the result. False:
    // it is not put away yet; took_body() says so later.
    virtual bool filter_body(std::string_view octets) = 0;
    virtual void filter_concluded(const ipc::FilterResult& result) = 0;
  };

  // link: null where there are no filters at all. Both outlive it.
  SessionFilter(FilterLink* link, std::string listener, ipc::FilterKind kind, Owner& owner);
  ~SessionFilter() override;
  SessionFilter(const SessionFilter&) = delete;
  SessionFilter& operator=(const SessionFilter&) = delete;

  // Filters are configured for this listener: the session is to be told.
  bool is_on() const { return fallback_ != FilterFallback::none; }

  // A macro of the milter protocol; sent with the next event. Empty: it is gone.
  void set_macro(ipc::ToldMacro macro, std::string value);
  // Who the client is, at the beginning, and whenever that changes (XCLIENT): then the conversation
  // begins anew with the next event.
  void set_client(ipc::FilterSession::Family family, std::string name, std::string address,
                  std::uint16_t port);
  // The client may send anywhere, by now.
  void set_known(bool known) { said_.known = known; }
  // It did not wait for the greeting.
  void note_early_talk() { said_.talked_early = true; }

  // True: the session waits for filter_answered().
  bool connect();
  bool helo(std::string name);
  bool mail(const std::string& address, std::vector<std::string> arguments);
  bool rcpt(const std::string& address, std::vector<std::string> arguments);
  void rejected_rcpt(const std::string& address, std::vector<std::string> arguments);
  bool data();
  bool unknown(std::string line);
  // The header section of the message as it goes on: fields only; the first `hidden` are our own.
  void header(std::string_view section, std::uint32_t hidden);
  // How many of these octets were told; the others are for later, after filter_window_opened().
  std::size_t body(std::string_view octets);
  // So much of the body is not taken yet that no more can be told.
  bool window_is_full() const { return wants_body() && window_ == 0; }
  // The whole message was told, so many octets without our own fields. filter_concluded() follows,
  // perhaps at once.
  void end_of_message(std::uint64_t size);
  // So much of the new body has been put away, and more of it may come.
  void took_body(std::size_t octets);
  // The message ends otherwise. Nothing comes any more of what was under way.
  void abort();

  // The filters have not heard all of the message at hand, and will not.
  bool message_lost() const { return message_lost_; }
  // Somebody wants to see its body.
  bool wants_body() const;

  // Why MAIL is refused now, if the filters cannot be asked and must be.
  std::optional<mail::Reply> refusal() const;

 private:
  void answered(ipc::FilterAnswer answer) override;
  void window(std::size_t octets) override;
  void body_piece(std::string_view octets) override;
  void concluded(ipc::FilterResult result) override;
  void connection_lost() override;

  bool open();
  void quit();
  bool tell(ipc::FilterStage stage, std::string text, std::vector<std::string> arguments,
            bool may_wait, bool rejected = false, std::uint64_t size = 0);
  bool wants_answer(ipc::FilterStage stage) const;
  bool is_talking() const { return connection_ != nullptr; }
  void fall_back();

  FilterLink* link_;
  std::string listener_;
  Owner& owner_;
  FilterFallback fallback_ = FilterFallback::none;
  ipc::FilterSession client_;
  struct {
    std::string helo;  // since the connect; told again to a `filter` that was started anew
    bool known = false;
    bool talked_early = false;
  } said_;
  FilterConnection* connection_ = nullptr;  // where the conversation is; null: there is none
  std::uint64_t session_ = 0;
  std::uint32_t last_event_ = 0;
  std::vector<ipc::FilterMacro> macros_;  // all that are set
  std::vector<ipc::FilterMacro> fresh_;   // those that no event has brought yet
  std::optional<std::uint32_t> awaited_;  // event the session waits for
  std::uint32_t end_of_header_ = 0;
  std::optional<std::uint32_t> ending_;  // end_of_message that has no result yet
  std::size_t window_ = 0;               // octets of bodies that may be told, in this conversation
  bool message_lost_ = false;            // the filters have not heard all of this message
};

}  // namespace postwain::filtering
