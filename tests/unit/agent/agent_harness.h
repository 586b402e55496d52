// An agent between a pretended qmgr (a real socket, real frames) and a scripted server on loopback,
// all on one loop.
#pragma once

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "common/agent/agent.h"
#include "common/config/config.h"
#include "common/daemon/ipc_connection.h"
#include "common/ipc/messages.h"
#include "common/net/loop.h"
#include "common/net/stream.h"

namespace postwain::agent::test {

// A server that accepts everything, save what its hooks say.
class Server {
 public:
  struct Peer {
    net::Stream stream;
    std::string in;
    bool content = false;
    std::size_t chunk_left = 0;  // of BDAT
    bool last_chunk = false;
    std::string text;
    std::vector<std::string> accepted;
    bool gone = false;
  };

  explicit Server(net::Loop& loop, bool lmtp) : lmtp_(lmtp) {
    int fd = net::bind_listener({"127.0.0.1", 0, {}}).take();
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    listener_ =
        std::make_unique<net::Listener>(loop, fd, [this](net::Stream s) { accept(std::move(s)); });
  }

  net::Endpoint endpoint() const { return {"127.0.0.1", port, {}}; }
  void hang_up(Peer& peer) {
    peer.gone = true;
    peer.stream.reset();
  }
  void hang_up_all() {
    for (auto& peer : peers_) hang_up(*peer);
  }
  void say(Peer& peer, const std::string& text) {
    if (!peer.gone) peer.stream.write(text);
  }
  std::vector<std::unique_ptr<Peer>>& peers() { return peers_; }

  std::uint16_t port = 0;
  std::string greeting = "220 hi\r\n";
  std::string extensions = "250-there\r\n250-PIPELINING\r\n250 8BITMIME\r\n";
  // Replies; empty means the ordinary one, "-" hangs up, "~" says nothing.
  std::function<std::string(Peer&, const std::string& line)> on_line;
  std::function<std::string(Peer&, std::size_t recipient)> on_final;
  bool closes = true;  // when the client has
  int connections = 0;
  std::vector<std::string> messages;
  std::vector<std::string> lines;

 private:
  void accept(net::Stream stream) {
    ++connections;
    peers_.push_back(std::make_unique<Peer>());
    Peer& peer = *peers_.back();
    peer.stream = std::move(stream);
    peer.stream.start({.on_data = [this, &peer](std::string_view bytes) { take(peer, bytes); },
                       .on_end =
                           [this, &peer] {
                             if (closes) hang_up(peer);
                           },
                       .on_error = [this, &peer](const Error&) { hang_up(peer); },
                       .on_drained = {}});
    say(peer, greeting);
  }
  void take(Peer& peer, std::string_view bytes) {
    peer.in.append(bytes);
    std::size_t end;
    while (!peer.gone && take_chunk(peer) && (end = peer.in.find("\r\n")) != std::string::npos) {
      std::string line = peer.in.substr(0, end);
      peer.in.erase(0, end + 2);
      if (peer.content)
        take_content(peer, line);
      else
        obey(peer, line);
    }
  }
  // False: octets of it are yet to come.
  bool take_chunk(Peer& peer) {
    if (peer.chunk_left == 0) return true;
    std::size_t takes = std::min(peer.chunk_left, peer.in.size());
    peer.text += peer.in.substr(0, takes);
    peer.in.erase(0, takes);
    peer.chunk_left -= takes;
    if (peer.chunk_left > 0) return false;
    if (peer.last_chunk)
      take_message(peer);
    else
      say(peer, "250 go on\r\n");
    return true;
  }
  void begin_chunk(Peer& peer, const std::string& line) {
    peer.last_chunk = line.ends_with(" LAST");
    peer.chunk_left = std::stoul(line.substr(5));
    if (peer.chunk_left == 0) take_message(peer);
  }
  void obey(Peer& peer, const std::string& line) {
    lines.push_back(line);
    std::string reply = on_line ? on_line(peer, line) : "";
    if (reply == "-") return hang_up(peer);
    if (reply == "~") return;
    std::string verb = line.substr(0, 4);
    bool ordinary = reply.empty();
    if (ordinary && verb == "BDAT") return begin_chunk(peer, line);
    if (ordinary) {
      reply = "250 ok\r\n";
      if (verb == "EHLO" || verb == "LHLO") reply = extensions;
      if (verb == "DATA") reply = peer.accepted.empty() ? "503 nobody\r\n" : "354 go\r\n";
      if (verb == "QUIT") reply = "221 bye\r\n";
    }
    if (verb == "MAIL" || verb == "RSET") {
      peer.accepted.clear();
      peer.text.clear();
    }
    if (verb == "RCPT" && reply[0] == '2') peer.accepted.push_back(line);
    if (verb == "DATA" && reply[0] == '3') {
      peer.content = true;
      peer.text.clear();
    }
    say(peer, reply);
  }
  void take_content(Peer& peer, const std::string& line) {
    if (line != ".") {
      peer.text += (line.empty() || line[0] != '.' ? line : line.substr(1)) + "\r\n";
      return;
    }
    peer.content = false;
    take_message(peer);
  }
  void take_message(Peer& peer) {
    messages.push_back(peer.text);
    std::size_t replies = lmtp_ ? peer.accepted.size() : 1;
    for (std::size_t i = 0; i < replies && !peer.gone; ++i) {
      std::string reply = on_final ? on_final(peer, i) : "";
      if (reply == "-") return hang_up(peer);
      if (reply != "~") say(peer, reply.empty() ? "250 2.0.0 done\r\n" : reply);
    }
  }

  bool lmtp_;
  std::unique_ptr<net::Listener> listener_;
  std::vector<std::unique_ptr<Peer>> peers_;
};

// Where the hosts of any next hop are: a list the test sets.
struct FakeHosts : HostFinder {
  NextHosts hosts;
  int asked = 0;
  mail::StsPolicy known;  // of the last question
  void find(const mail::Transport& transport, const mail::StsPolicy* policy,
            std::function<void(NextHosts)> done) override {
    ++asked;
    if (policy != nullptr) known = *policy;
    NextHosts found = hosts;
    for (Candidate& candidate : found.candidates)
      if (candidate.tls.tlsa.empty())
        candidate.tls =
            dns::plan_tls(candidate.is_fallback ? transport.fallback_tls : transport.tls,
                          {candidate.host, "y", true, nullptr, nullptr});
    done(std::move(found));
  }
};

class Qmgr {
 public:
  Qmgr(net::Loop& loop, std::string path) : loop_(loop), path_(std::move(path)) { listen(); }

  void listen() {
    int fd = net::bind_listener({{}, 0, path_}).take();
    listener_ = std::make_unique<net::Listener>(
        loop_, fd,
        [this](net::Stream stream) {
          connection_ = std::make_unique<daemon::IpcConnection>(
              loop_, std::move(stream),
              daemon::IpcConnection::Callbacks{
                  .on_frame = [this](ipc::FrameType type,
                                     std::string_view payload) { return frame(type, payload); },
                  .on_closed = [](const std::string&) {},
                  .on_drained = {}});
        },
        net::Carries::descriptors);
  }
  void die() {
    connection_.reset();
    listener_.reset();
    up = false;
  }
  template <class Message>
  void send(const Message& message) {
    connection_->send(message);
  }

  bool up = false;
  int hellos = 0;
  bool welcomes = true;
  int drainings = 0;
  bool answers_draining = true;
  // How content that is not in a lease is served.
  enum class Serve { whole, file, short_file, missing };
  Serve serve = Serve::file;
  std::string content;
  std::size_t before_file = 0;  // so many octets of the content travel in the frame
  std::vector<ipc::ContentRequest> requests;
  struct Answer {
    std::map<std::uint32_t, mail::Outcome> outcomes;
    std::string signing{};  // mail::SigningRecord::text()
    bool done = false;
    std::uint32_t flight = 0;
  };
  std::map<std::uint64_t, Answer> answers;  // by lease
  std::vector<ipc::LateOutcomes> late;
  // Leave for counted connections, and whether it is given at once.
  bool gives_leave = true;
  std::vector<ipc::ConnectionRequest> asked;
  std::vector<std::uint64_t> ended;

 private:
  bool frame(ipc::FrameType type, std::string_view payload) {
    if (type == ipc::FrameType::hello) {
      up = true;
      ++hellos;
      if (welcomes) send(ipc::Welcome{});
      return true;
    }
    if (type == ipc::FrameType::draining) {
      ++drainings;
      if (answers_draining) send(ipc::NothingMore{});
      return true;
    }
    if (type == ipc::FrameType::outcomes) {
      ipc::Outcomes message;
      REQUIRE(ipc::decode(payload, message));
      Answer& answer = answers[message.lease];
      REQUIRE_FALSE(answer.done);
      answer.signing = message.signing.text();
      for (auto& r : message.outcomes)
        REQUIRE(answer.outcomes.emplace(r.index, r.outcome).second);  // exactly one each
      answer.done = message.done;
      answer.flight = message.flight;
      return true;
    }
    if (type == ipc::FrameType::late_outcomes) {
      REQUIRE(ipc::decode(payload, late.emplace_back()));
      return true;
    }
    if (type == ipc::FrameType::connection_request) {
      const ipc::ConnectionRequest& one = asked.emplace_back();
      REQUIRE(ipc::decode(payload, asked.back()));
      if (gives_leave && !one.held) send(ipc::ConnectionGrant{one.request});
      return true;
    }
    if (type == ipc::FrameType::connection_end) {
      ipc::ConnectionEnd message;
      REQUIRE(ipc::decode(payload, message));
      ended.push_back(message.request);
      return true;
    }
    ipc::ContentRequest request;
    REQUIRE(ipc::decode(payload, request));
    requests.push_back(request);
    if (!request.unreadable) serve_content(request.lease);
    return true;
  }
  void serve_content(std::uint64_t lease) {
    using Kind = ipc::Content::Kind;
    if (serve == Serve::missing) return send(ipc::Content{lease, Kind::missing, {}});
    if (serve == Serve::whole) return send(ipc::Content{lease, Kind::whole, content});
    UniqueFd file(::memfd_create("content", MFD_CLOEXEC));
    std::string_view bytes = content;
    std::string_view head = bytes.substr(0, before_file);
    bytes.remove_prefix(head.size());
    if (serve == Serve::short_file) bytes.remove_suffix(1);
    REQUIRE(write_all(file.get(), bytes).ok());
    connection_->send(ipc::Content{lease, Kind::file, head}, std::move(file));
  }

  net::Loop& loop_;
  std::string path_;
  std::unique_ptr<net::Listener> listener_;
  std::unique_ptr<daemon::IpcConnection> connection_;
};

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/pw-agent-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() {
    ::unlink((path + "/qmgr.sock").c_str());
    ::rmdir(path.c_str());
  }
};

struct World {
  // signer: takes the loop to make one; nothing: there is none.
  using MakeSigner = std::function<std::unique_ptr<daemon::SignerPort>(net::Loop&)>;
  explicit World(const smtp::Dialect& dialect = smtp::kSmtp, const MakeSigner& make_signer = {},
                 Duration signer_wait = kSignerWaitMax,
                 Duration nothing_more_wait = kNothingMoreWait)
      : server(loop, dialect.reply_per_recipient), qmgr(loop, folder.path + "/qmgr.sock") {
    config.hostname = "us.example";
    config.runtime_dir = folder.path;
    hosts.hosts.candidates = {{"server.example", server.endpoint()}};
    if (make_signer) signer = make_signer(loop);
    Agent::Setup setup{.name = "agent", .dialect = &dialect, .on_ready = {}, .on_drained = [this] {
                         drained = true;
                       }};
    setup.signer = signer.get();
    setup.signer_wait = signer_wait;
    setup.nothing_more_wait = nothing_more_wait;
    setup.boot_clock = [this] { return boot; };
    agent = std::make_unique<Agent>(loop, config, hosts, std::move(setup));
    until([this] { return qmgr.up; });
  }

  // Runs the loop until the condition holds; fails after five seconds.
  void until(const std::function<bool()>& condition) {
    net::Timer tick(loop);
    bool late = false;
    MonoTime end = mono_now() + std::chrono::seconds(5);
    tick.repeat(std::chrono::milliseconds(1), [&] {
      late = mono_now() > end;
      if (late || condition()) loop.stop();
    });
    while (!condition() && !late) loop.run();
    REQUIRE(condition());
  }
  void wait(Duration duration) {
    MonoTime end = mono_now() + duration;
    until([end] { return mono_now() >= end; });
  }

  ipc::Lease lease(std::vector<std::string> recipients, std::string_view content) {
    ipc::Lease out;
    out.lease = ++leases;
    out.id.value = 1000 + leases;
    out.hop.kind = mail::HopKind::mx;
    out.hop.domain = "example.org";
    out.envelope.reverse_path = mail::Address::from_text("s@x.example");
    for (std::size_t i = 0; i < recipients.size(); ++i)
      out.recipients.push_back(
          {static_cast<std::uint32_t>(10 + i), {mail::Address::from_text(recipients[i]), {}, {}}});
    out.received_at = wall_now();
    out.size = content.size();
    out.inlined = true;
    out.content = content;
    return out;
  }
  std::uint64_t give(std::vector<std::string> recipients, std::string_view content = "hello\r\n") {
    ipc::Lease l = lease(std::move(recipients), content);
    qmgr.send(l);
    return l.lease;
  }
  bool done(std::uint64_t lease) { return qmgr.answers[lease].done; }
  const mail::Outcome& outcome(std::uint64_t lease, std::uint32_t index = 10) {
    return qmgr.answers.at(lease).outcomes.at(index);
  }
  std::string text(std::uint64_t lease, std::uint32_t index = 10) {
    const mail::Outcome& o = outcome(lease, index);
    return std::string(name_of(o.disposition)) + " " + std::string(name_of(o.stage)) + " " +
           std::string(name_of(o.blame)) + (o.in_doubt ? " in_doubt" : "");
  }

  Folder folder;
  net::Loop loop;
  config::Config config;
  Server server;
  Qmgr qmgr;
  FakeHosts hosts;
  BootTime boot{std::chrono::hours(1)};  // by which words are old
  bool drained = false;
  std::uint64_t leases = 0;
  std::unique_ptr<daemon::SignerPort> signer;
  std::unique_ptr<Agent> agent;
};

}  // namespace postwain::agent::test
