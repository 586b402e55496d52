// Frames over a Unix socket: one end of a connection between two of our processes. Frames sent
// during one turn of the loop leave in one write at its end. A malformed frame closes the
// connection, never the process.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/file.h"
#include "common/ipc/messages.h"
#include "common/net/loop.h"
#include "common/net/stream.h"

namespace postwain::daemon {

// Between our own processes; qmgr allows others less.
constexpr std::size_t kUnreadMax = 32U << 20;

class IpcConnection {
 public:
  struct Callbacks {
    // The payload lives during the call. Return false when it is not a valid message: closes the
    // connection.
    std::function<bool(ipc::FrameType, std::string_view payload)> on_frame{};
    std::function<void(const std::string& why)> on_closed{};  // once; no callback follows
    std::function<void()> on_drained{};  // what was sent has reached the kernel
  };

  IpcConnection(net::Loop& loop, net::Stream stream, Callbacks callbacks);
  ~IpcConnection();
  IpcConnection(const IpcConnection&) = delete;
  IpcConnection& operator=(const IpcConnection&) = delete;

  // For messages whose size somebody else decides (the queue, an answer). False: larger than a
  // frame may be; nothing is sent, and the connection goes on.
  template <class Message>
  [[nodiscard]] bool try_send(const Message& message) {
    if (!ipc::append_frame(out_, message)) return false;
    sent();
    return true;
  }
  // For messages that are never too large for a frame. If one is all the same, the connection ends
  // after this turn, since the other side would wait for it; on_closed tells.
  template <class Message>
  void send(const Message& message) {
    if (!try_send(message)) end_after_turn();
  }
  // Frames that ipc::append_frame has made.
  void send_frames(std::string_view frames) {
    out_.append(frames);
    sent();
  }
  // The same with an open file, whose mark is put into the message. Both ends' streams carry
  // descriptors.
  template <class Message>
  void send(Message message, UniqueFd descriptor) {
    message.file = mark_of(descriptor);
    if (!ipc::append_frame(out_, message)) return end_after_turn();
    flush_with(std::move(descriptor));
  }
  // For the frame that has this mark. Empty when the other side sent none, or when this process had
  // no descriptor left for it.
  UniqueFd take_descriptor(const ipc::FileMark& mark);
  static ipc::FileMark mark_of(const UniqueFd& descriptor);
  std::size_t pending() const { return out_.size() + stream_.pending(); }
  void flush();
  // Reading stops while any reason holds. `unread` is the connection's own: the other side does not
  // read what it gets, so what it sends has to wait; also what has come already is handled then
  // only, after resume() and from the loop.
  enum class Pause : std::uint8_t { unread = 1, work = 2 };
  void pause(Pause why);
  void resume(Pause why);
  // So many octets that the other side has not read stop reading from it.
  void limit_unread(std::size_t octets) { unread_max_ = octets; }
  std::optional<net::PeerCredentials> peer_credentials() const {
    return stream_.peer_credentials();
  }
  std::vector<std::uint32_t> peer_groups() const { return stream_.peer_groups(); }

 private:
  void sent();
  void end_after_turn();
  void turn_ended();
  void flush_with(UniqueFd descriptor);
  void emptied();
  void look_at_unread();
  void received(std::string_view bytes);
  // Handles the complete frames in bytes; returns how much was used. Sets `gone` when *this was
  // destroyed meanwhile.
  std::size_t handle(std::string_view bytes, bool& gone);
  void over(const std::string& why);

  net::Loop& loop_;
  net::Stream stream_;
  std::shared_ptr<Callbacks> callbacks_;  // shared only with a call that is running
  std::string in_;                        // the beginning of a frame that is not complete yet
  std::string out_;                       // frames of this turn
  bool ending_ = false;                   // a frame was too large: nothing can go on
  struct Arrived {
    ipc::FileMark mark;
    UniqueFd descriptor;
  };
  std::deque<Arrived> descriptors_;  // whose frames are not handled yet
  std::uint8_t paused_ = 0;          // bits of Pause
  std::size_t unread_max_ = kUnreadMax;
  bool* destroyed_ = nullptr;
};

}  // namespace postwain::daemon
