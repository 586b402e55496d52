// A session on a real loop and real sockets between a client of the test and a qmgr of the test,
// which answers behind a Unix socket as the real one does.
#pragma once

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "common/config/config.h"
#include "common/daemon/ipc_connection.h"
#include "common/log/log.h"
#include "smtpd/session/session.h"

namespace postwain::smtpd::test {

using namespace std::chrono_literals;

// Answers like qmgr; `hold` keeps its answers back until release().
class FakeQmgr {
 public:
  FakeQmgr(net::Loop& loop, const std::string& path) : loop_(loop), path_(path) { listen(); }

  void listen() {
    auto fd = net::bind_listener({{}, 0, path_});
    REQUIRE(fd.ok());
    listener_ = std::make_unique<net::Listener>(
        loop_, *fd,
        [this](net::Stream stream) {
          connection_ = std::make_unique<daemon::IpcConnection>(
              loop_, std::move(stream),
              daemon::IpcConnection::Callbacks{
                  .on_frame = [this](ipc::FrameType type,
                                     std::string_view payload) { return frame(type, payload); },
                  .on_closed = [](const std::string&) {},
                  .on_drained = [] {},
              });
        },
        net::Carries::descriptors);
  }
  void die() {
    listener_.reset();
    connection_.reset();
    ::unlink(path_.c_str());
  }
  void release() {
    hold = false;
    for (const auto& result : held_) connection_->send(result);
    held_.clear();
    if (stream_.value != 0 && !file_) lend();
  }
  void admission(const ipc::Admission& value) { connection_->send(value); }

  bool hold = false;
  mail::Reply reply{250, {2, 0, 0}, "Ok"};
  std::vector<std::string> contents;
  std::vector<std::string> bodies;  // what stood in the files that were lent
  std::vector<mail::Envelope> envelopes;
  std::vector<std::uint32_t> past_data;
  int aborts = 0;
  bool opened() const { return stream_.value != 0; }
  template <class Message>
  void say(const Message& message) {
    connection_->send(message);
  }

 private:
  bool frame(ipc::FrameType type, std::string_view payload) {
    if (type == ipc::FrameType::hello) {
      connection_->send(ipc::Welcome{ipc::kProtocolVersion, 3});
      return true;
    }
    if (type == ipc::FrameType::submit) {
      ipc::Submit message;
      REQUIRE(ipc::decode(payload, message));
      past_data.push_back(message.past_data);
      envelopes.push_back(message.envelope);
      contents.emplace_back(message.content);
      settle(message.id);
      return true;
    }
    if (type == ipc::FrameType::submit_open) {
      ipc::SubmitOpen message;
      REQUIRE(ipc::decode(payload, message));
      stream_ = message.id;
      file_.reset();
      envelopes.push_back(message.envelope);
      if (!hold) lend();
      return true;
    }
    if (type == ipc::FrameType::submit_final) {
      ipc::SubmitFinal message;
      REQUIRE(ipc::decode(payload, message));
      ::lseek(file_.get(), 0, SEEK_SET);
      bodies.push_back(read_small_fd(file_.get()).take());
      CHECK(message.file_size == bodies.back().size());
      contents.push_back(std::string(message.header) + bodies.back());
      settle(message.id);
      return true;
    }
    REQUIRE(type == ipc::FrameType::submit_abort);
    ++aborts;
    return true;
  }
  void lend() {
    file_ = UniqueFd(::memfd_create("content", MFD_CLOEXEC));
    connection_->send(ipc::SubmitFile{stream_}, UniqueFd(::dup(file_.get())));
  }
  void settle(mail::QueueId id) {
    ipc::SubmitResult result{id, reply};
    if (hold)
      held_.push_back(result);
    else
      connection_->send(result);
  }

  net::Loop& loop_;
  std::string path_;
  std::unique_ptr<net::Listener> listener_;
  std::unique_ptr<daemon::IpcConnection> connection_;
  std::vector<ipc::SubmitResult> held_;
  mail::QueueId stream_;
  UniqueFd file_;
};

inline config::Config test_config() {
  config::Config config;
  config.hostname = "mx.test";
  config.postmaster = "root@any.test";
  config.domains.push_back({{"any.test"}, config::RecipientCheck::any, {}, {}});
  config.limits.message_size = 4U << 20;
  return config;
}

struct Bench {
  config::Config config = test_config();
  config::Listener listener;
  net::Loop loop;
  std::string path = "/tmp/pw-session-test-" + std::to_string(::getpid());
  std::unique_ptr<FakeQmgr> qmgr = std::make_unique<FakeQmgr>(loop, path);
  Policy policy{config};
  std::unique_ptr<QueueLink> queue_link =
      std::make_unique<QueueLink>(loop, path, "smtpd[0]", [] {});
  Shared shared{loop, config, policy, *queue_link, nullptr};
  std::unique_ptr<Session> session;
  net::Stream client;
  std::string heard;
  bool ended = false;  // the client saw the end
  bool session_over = false;

  Bench() {
    ::signal(SIGPIPE, SIG_IGN);
    listener.unix_path = path + ".client";  // or a client without address is nobody
    log::setup("test", {.level = log::Level::error});
    until([&] { return queue_link->up(); });
  }
  ~Bench() {
    session.reset();
    client.reset();
    queue_link.reset();
    qmgr.reset();
    ::unlink(path.c_str());
  }

  void until(const std::function<bool()>& done) {
    int turns = 0;
    net::Timer timer(loop);
    timer.repeat(1ms, [&] {
      if (done() || ++turns > 5000) loop.stop();
    });
    loop.run();
    INFO("heard: " << heard);
    REQUIRE(done());
  }
  void connect() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    auto server_end = net::Stream::adopt(loop, ends[0]);
    auto client_end = net::Stream::adopt(loop, ends[1]);
    REQUIRE((server_end.ok() && client_end.ok()));
    client = client_end.take();
    client.start({
        .on_data = [this](std::string_view bytes) { heard += bytes; },
        .on_end = [this] { ended = true; },
        .on_error = [this](const Error&) { ended = true; },
        .on_drained = [] {},
    });
    session = std::make_unique<Session>(shared, listener, server_end.take(),
                                        [this](Session&) { session_over = true; });
    session->start();
    expect("220 mx.test ESMTP Postwain\r\n");
  }
  void say(const std::string& bytes) { client.write(bytes); }
  // Waits for a reply that ends so, and forgets what was heard.
  void expect(const std::string& end) {
    INFO("expected: " << end);
    until([&] {
      return heard.size() >= end.size() && heard.substr(heard.size() - end.size()) == end;
    });
    heard.clear();
  }
  // Up to the open DATA.
  void begin_data() {
    connect();
    say("HELO c.test\r\nMAIL FROM:<a@b>\r\nRCPT TO:<u@any.test>\r\nDATA\r\n");
    expect("354 End data with <CR><LF>.<CR><LF>\r\n");
  }
  std::string large(std::size_t lines) const {
    std::string text = "Subject: large\r\n\r\n";
    for (std::size_t i = 0; i < lines; ++i) text += std::string(98, 'x') + "\r\n";
    return text;
  }
  void expect_queued() {
    until([&] { return heard.find("250 2.0.0 Ok: queued as ") != std::string::npos; });
    heard.clear();
  }
};

}  // namespace postwain::smtpd::test
