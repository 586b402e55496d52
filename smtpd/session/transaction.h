// A session's mail transaction, from the MAIL that was accepted to the reply after the content: its
// queue id and sender, its content as it comes in, what is checked and mended in the header
// section, and its way to qmgr. One object serves the transactions of a session one after the
// other.
#pragma once

#include <optional>
#include <string>

#include "common/filtering/session_filter.h"
#include "smtpd/acceptance/to_sign.h"
#include "smtpd/queue_link/handover.h"
#include "smtpd/session/header_check.h"
#include "smtpd/session/shared.h"

namespace postwain::smtpd {

class Transaction {
 public:
  // submission: what RFC 6409 8 lets a submission server mend is mended.
  Transaction(const Shared& shared, bool submission) : shared_(shared), submission_(submission) {}

  void open(mail::QueueId id, std::string sender);
  // MAIL was accepted, and the transaction has no end yet.
  bool is_open() const { return open_; }
  mail::QueueId id() const { return id_; }
  const std::string& sender() const { return sender_; }
  // qmgr has given its reply. The handover stays until the next one begins, since its word may come
  // from inside it.
  void conclude();
  // The transaction ends without a reply of qmgr: what qmgr has got of it is withdrawn.
  void drop();

  // The client may send content: trace is our Received field, which comes first.
  void begin_content(std::string trace, Handover::Owner& owner, mail::Envelope envelope,
                     ipc::Arrival arrival, ToSign sign);
  // Octets of the content so far, our own field left out. Only while there is a handover.
  std::uint64_t octets() const { return handover_->octets_so_far(content_) - trace_size_; }
  // Where the engine appends.
  std::string& content() { return content_; }
  // More content has come. A reply refuses the message: the content is dropped, and what is still
  // to come needs no room. stranger: the client may not relay.
  std::optional<mail::Reply> check_growth(bool stranger);
  // All of the content has come. A reply refuses the message.
  std::optional<mail::Reply> check_whole() { return check_header(true); }
  // Filters are told of the content while it comes. From begin_content() on.
  void tell(filtering::SessionFilter& filter) { filter_ = &filter; }
  // What filters have made of it, after check_whole(). A reply refuses the message.
  std::optional<mail::Reply> apply(const ipc::FilterResult& result, std::uint64_t size_max);
  // What they said, for the history; on the way to qmgr, or of what is thrown away.
  void judged(std::string judgements) { handover_->judged(std::move(judgements)); }
  void tell_discarded(const std::string& filter, const mail::Envelope& envelope) {
    handover_->tell_discarded(filter, envelope, content_);
  }
  // A piece of a body that takes the place of the one that came.
  void take_new_body(std::string_view octets);
  // To qmgr: what has come, and all of it. Both may end in Handover::Owner::handed_over at once.
  void pass_on();
  void pass_on_whole() { handover_->finish(content_); }
  // qmgr was silent for too long.
  void give_up() { handover_->give_up(); }
  // So much waits to be written that no more should be read.
  bool window_is_full() const;
  // Tells the filters what they have not heard. False: not all of it, until their window opens.
  bool tell_rest();
  // Whether the account that has brought it may write so (Policy::author()); once the header
  // section is whole. What it may not write is not to be signed in its name.
  bool author_permitted() const { return author_permitted_; }
  // Null where no content has begun.
  const Handover* handover() const { return handover_ ? &*handover_ : nullptr; }

 private:
  std::optional<mail::Reply> check_header(bool ended);
  std::optional<mail::Reply> check_author(std::string_view header);
  bool has_room(bool stranger);
  std::size_t mend_header();
  void drop_content();

  const Shared& shared_;
  bool submission_;
  bool open_ = false;
  mail::QueueId id_;
  std::string sender_;
  std::string content_;         // our Received field and what came after it; shrinks as it streams
  std::size_t trace_size_ = 0;  // of our field
  ToSign sign_ = ToSign::no;
  bool begun_ = false;  // how the first line looks is known
  HeaderCheck header_;
  bool author_permitted_ = false;
  std::optional<HeaderBudget::Share> header_share_;  // of the header section, which stays in memory
  std::optional<Handover> handover_;
  filtering::SessionFilter* filter_ = nullptr;  // null: nobody is told
  std::size_t told_ = 0;                        // octets of content_ that the filters have heard of
  bool header_told_ = false;
  std::size_t header_size_ = 0;  // up to the body, once it is whole
  bool new_body_ = false;        // a body is being replaced
  bool body_lost_ = false;       // it could not be
};

}  // namespace postwain::smtpd
