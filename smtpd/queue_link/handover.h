// One message's way to qmgr, from the first octet of its content to qmgr's word. Small content goes
// in one Submit frame when it is whole. Larger content streams: SubmitOpen, its body into the file
// that qmgr lends, SubmitFinal with its header section, which stays in memory until then; never
// more than kSubmitWindow of the body waits to be written. A header section above kHeaderApartMax
// goes into the file with the body. Only qmgr's 250 means accepted; when qmgr is lost in between
// nobody knows, and the client gets 451 (it will send again; the other copy may exist).
//
// No sockets here: the port is the link to qmgr, or a test.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/fair_share.h"
#include "common/ipc/judgements.h"
#include "common/ipc/messages.h"
#include "smtpd/queue_link/content_writer.h"

namespace postwain::smtpd {

class Handover;

// What a handover needs of this process's link to qmgr.
class QmgrPort {
 public:
  virtual ~QmgrPort() = default;
  virtual bool up() const = 0;
  // False: the envelope is too large for a frame between processes, and nothing was sent.
  virtual bool send(const ipc::Submit& message) = 0;
  virtual bool send(const ipc::SubmitOpen& message) = 0;
  virtual bool send(const ipc::SubmitFinal& message) = 0;
  virtual void send(const ipc::SubmitAbort& message) = 0;
  virtual void send(const ipc::Hold& message) = 0;
  virtual void send(const ipc::Judged& message) = 0;
  virtual void send(const ipc::Discarded& message) = 0;
  // Appends to the file, or begins it anew; the handover of that id hears how it went (written()).
  virtual void write(mail::QueueId id, std::shared_ptr<LentFile> file, std::string bytes,
                     bool anew) = 0;
  // Frames and the loss of qmgr are told to the handover of that id, until forget().
  virtual void watch(mail::QueueId id, Handover& handover) = 0;
  virtual void forget(mail::QueueId id) = 0;
  // Sessions of this process that are past DATA and have no reply yet.
  virtual std::uint32_t& past_data() = 0;
};

mail::Reply queue_unavailable();  // 451 4.3.0
// The word for the log, by what the queue manager has answered (RFC 3463): "account_over_rate",
// "queue_full", "aliases", "content" for what is refused for good, and "queue" where the queue
// cannot be used at present, by nobody.
std::string_view queue_reason(const mail::Reply& reply);

// Content on its way to the disk, of all sessions of this process.
constexpr SharedRoom kContentRoom{16U << 20, 16U << 10, ipc::kSubmitWindow};

class Handover {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // qmgr's word, or that there will be none. Once, and the last call.
    virtual void handed_over(const mail::Reply& reply) = 0;
    // There is room again: grow() with what has come since.
    virtual void window_opened() = 0;
  };

  Handover(QmgrPort& port, Owner& owner, mail::QueueId id, mail::Envelope envelope,
           ipc::Arrival arrival);
  // Withdraws what qmgr has not got whole; what it has got whole stays its own.
  ~Handover();
  Handover(const Handover&) = delete;
  Handover& operator=(const Handover&) = delete;

  // The header says "TLS-Required: No". Before grow() and finish(): nothing has been sent yet.
  void set_tls_required_no();
  // The message is not ours to sign after all. The same.
  void set_unsigned();
  // The first octets of the content are its header section, up to the body. Before grow() and
  // finish(), which begin with all of it.
  void set_header_size(std::size_t octets) { header_size_ = octets; }
  // The last word on sender and recipients, until finish().
  void change_envelope(mail::Envelope envelope);
  // The message is to be held, and why; all reasons are kept.
  void hold(const std::string& why) { hold_ += hold_.empty() ? why : "; " + why; }
  // What filters said of the message, for the history (ipc::encode_judgements()).
  void judged(std::string judgements) { judgements_ = std::move(judgements); }
  // The message is going to be thrown away on the word of a filter: the history hears of it.
  // envelope: as the client gave it.
  void tell_discarded(const std::string& filter, const mail::Envelope& envelope,
                      std::string_view content);
  // Another header section, up to the body. False: there is no place for it, because the one before
  // is in the file with the body, or it is too large itself.
  bool change_header(std::string section, std::string& content);
  // Another body comes: what was said of the one before is forgotten, grow() and finish() go on
  // with the new one, from its beginning. Not where the header section is in the file: false.
  bool replace_body(std::string& content);
  // More content stands in the buffer. Streams it when it is beyond the inline size; then the
  // buffer is exchanged for an empty one when it is worth a write.
  void grow(std::string& content);
  // The content is whole. The buffer must stay as it is until window_opened() or handed_over().
  void finish(std::string& content);
  // Octets of content that one session may have in memory, as it looks now.
  std::size_t share() const { return fair_share(kContentRoom, port_.past_data()); }
  // The owner should stop reading content; so much stands in its buffer.
  bool window_full(std::size_t waiting) const {
    return streaming_ && writing_ + waiting >= share();
  }
  bool over() const { return over_; }
  // qmgr has not answered for too long. What it has got whole it may still keep.
  void give_up();

  mail::QueueId id() const { return id_; }
  const mail::Envelope& envelope() const { return envelope_; }
  const ipc::Arrival& arrival() const { return arrival_; }
  std::uint64_t size() const { return size_; }
  // Of the content as it stands, with what is in the owner's buffer.
  std::uint64_t octets_so_far(std::string_view content) const {
    return header_.size() + (anew_ ? 0 : written_ + writing_) + content.size();
  }

  // From the port.
  void result(const mail::Reply& reply);
  void lent(UniqueFd file);  // empty: it has not reached us
  void written(const Status& status, std::string buffer);
  void lost();

 private:
  void open_stream(std::string& content);
  void write_out(std::string& content);
  void go_on();
  void end_stream();
  void withdraw(const mail::Reply& reply);
  void tell_of_filters();
  void conclude(const mail::Reply& reply);

  QmgrPort& port_;
  Owner& owner_;
  mail::QueueId id_;
  mail::Envelope envelope_;
  ipc::Arrival arrival_;
  std::string* rest_ = nullptr;  // the owner's buffer, from finish() until all is written
  std::shared_ptr<LentFile> file_;
  std::string spare_;  // the buffer to go on with
  std::size_t header_size_ = 0;
  std::string header_;             // of content that streams, where it stays apart
  bool envelope_changed_ = false;  // since SubmitOpen
  std::string hold_;
  std::string judgements_;
  bool anew_ = false;       // the file is to be emptied before the next write
  std::uint64_t size_ = 0;  // of the whole content, once finished
  std::uint64_t written_ = 0;
  std::size_t writing_ = 0;  // on its way into the file
  bool is_writing_ = false;
  bool streaming_ = false;
  bool finished_ = false;
  bool ended_ = false;  // qmgr has got all of it
  bool over_ = false;
  bool eight_bit_ = false;
};

}  // namespace postwain::smtpd
