// pw-milter: the filter of the comparison. Speaks the milter protocol, version 6, on TCP or Unix
// sockets in one event loop, and has no objection to anything. Like a filter that uses libmilter
// as it comes it hears every event and answers each, unless it is told not to.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bench/tool.h"
#include "common/base/sysexits.h"

namespace postwain::bench {

namespace {

const char* const kUsage =
    "usage: pw-milter [options] ADDRESS:PORT|unix:PATH\n"
    "  --delay-ms N   each message is answered so long after its end\n"
    "  --rate N       octets a second that each connection takes; 0: as they come\n"
    "  --terse        answer the end of messages only";

volatile std::sig_atomic_t stop_asked = 0;

constexpr std::size_t kReadBytes = 256U << 10;
constexpr std::size_t kPacketMax = 2U << 20;
constexpr std::uint32_t kVersion = 6;
constexpr std::uint32_t kNoAnswers = 0x000ff080;  // SMFIP_NR_HDR and SMFIP_NR_CONN to NR_BODY
constexpr std::int64_t kMillisecond = 1'000'000;

struct Setup {
  std::int64_t delay_ns = 0;
  std::uint64_t rate = 0;
  bool terse = false;
};

std::string packet(char command, std::string_view data = {}) {
  std::uint32_t length = htonl(static_cast<std::uint32_t>(data.size() + 1));
  std::string out(reinterpret_cast<const char*>(&length), sizeof length);
  out += command;
  out += data;
  return out;
}

std::string numbers(std::initializer_list<std::uint32_t> values) {
  std::string out;
  for (std::uint32_t value : values) {
    std::uint32_t wire = htonl(value);
    out.append(reinterpret_cast<const char*>(&wire), sizeof wire);
  }
  return out;
}

struct Connection {
  UniqueFd fd;
  std::uint64_t number = 0;
  std::string in;
  std::int64_t next_read_ns = 0;  // with --rate
  bool dead = false;
};

// One message whose answer is due later.
struct Due {
  std::int64_t at_ns;
  std::uint64_t connection;
};

class Filter {
 public:
  explicit Filter(const Options& options) {
    if (options.words().size() != 1) options.fail("one address to listen on is needed");
    setup_.delay_ns = static_cast<std::int64_t>(options.number("--delay-ms", 0)) * kMillisecond;
    setup_.rate = options.number("--rate", 0);
    setup_.terse = options.has("--terse");
    const std::string& address = options.words()[0];
    if (address.starts_with("unix:")) unlink(address.substr(5).c_str());
    listener_ = listen_on(parse_endpoint(address));
    if (address.starts_with("unix:")) chmod(address.substr(5).c_str(), 0666);
    epoll_.add(listener_.get(), EPOLLIN, &listener_);
  }

  void serve() {
    std::vector<epoll_event> events(1024);
    while (stop_asked == 0) {
      int count = epoll_.wait(events, wait_ms());
      for (int i = 0; i < count; ++i) {
        auto& event = events[static_cast<std::size_t>(i)];
        if (event.data.ptr == &listener_)
          accept_connections();
        else
          hear(*static_cast<Connection*>(event.data.ptr));
      }
      std::int64_t now = now_ns();
      for (; !due_.empty() && due_.front().at_ns <= now; due_.pop_front())
        answer_late(due_.front());
      wake(now);
    }
    fmt::print("{{\"connections\":{},\"messages\":{}}}\n", last_number_, messages_);
  }

 private:
  int wait_ms() const {
    std::int64_t until = now_ns() + 1000 * kMillisecond;
    if (!due_.empty()) until = std::min(until, due_.front().at_ns);
    for (const Connection* one : resting_) until = std::min(until, one->next_read_ns);
    return static_cast<int>(
        std::max<std::int64_t>(0, (until - now_ns() + kMillisecond - 1) / kMillisecond));
  }

  void accept_connections() {
    for (;;) {
      UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd) return;
      set_no_delay(fd.get());
      auto one = std::make_unique<Connection>();
      one->fd = std::move(fd);
      one->number = ++last_number_;
      epoll_.add(one->fd.get(), EPOLLIN, one.get());
      connections_.emplace(one->number, std::move(one));
    }
  }

  void hear(Connection& one) {
    static std::array<char, kReadBytes> buffer;
    std::size_t most = buffer.size();
    if (setup_.rate > 0) most = std::clamp<std::size_t>(setup_.rate / 20, 1, most);
    ssize_t count = read(one.fd.get(), buffer.data(), most);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) return end(one);
    one.in.append(buffer.data(), static_cast<std::size_t>(count));
    take_packets(one);
    if (one.dead) return end(one);
    if (setup_.rate == 0) return;
    one.next_read_ns =
        now_ns() + count * 1'000 * kMillisecond / static_cast<std::int64_t>(setup_.rate);
    epoll_.change(one.fd.get(), 0, &one);
    resting_.push_back(&one);
  }

  void wake(std::int64_t now) {
    std::erase_if(resting_, [&](Connection* one) {
      if (one->next_read_ns > now) return false;
      epoll_.change(one->fd.get(), EPOLLIN, one);
      return true;
    });
  }

  void end(Connection& one) {
    std::erase(resting_, &one);
    connections_.erase(one.number);
  }

  void take_packets(Connection& one) {
    std::string_view rest = one.in;
    std::string out;
    while (rest.size() >= 4) {
      std::uint32_t length = 0;
      std::memcpy(&length, rest.data(), sizeof length);
      length = ntohl(length);
      if (length == 0 || length > kPacketMax) one.dead = true;
      if (one.dead || rest.size() - 4 < length) break;
      take(one, rest[4], rest.substr(5, length - 1), out);
      rest.remove_prefix(4 + length);
    }
    one.in.erase(0, one.in.size() - rest.size());
    send(one, out);
  }

  void take(Connection& one, char command, std::string_view data, std::string& out) {
    switch (command) {
      case 'O': {
        std::uint32_t offered[3] = {};
        if (data.size() < sizeof offered) return void(one.dead = true);
        std::memcpy(offered, data.data(), sizeof offered);
        std::uint32_t steps = setup_.terse ? ntohl(offered[2]) & kNoAnswers : 0;
        out += packet('O', numbers({std::min(kVersion, ntohl(offered[0])), 0, steps}));
        return;
      }
      case 'D':
      case 'A':
      case 'K':
        return;
      case 'Q':
        one.dead = true;
        return;
      case 'E':
        ++messages_;
        if (setup_.delay_ns > 0)
          due_.push_back({now_ns() + setup_.delay_ns, one.number});
        else
          out += packet('c');
        return;
      default:
        if (!setup_.terse) out += packet('c');
    }
  }

  void answer_late(const Due& due) {
    auto found = connections_.find(due.connection);
    if (found != connections_.end()) send(*found->second, packet('c'));
  }

  // Answers are short: the socket has room for them.
  static void send(Connection& one, std::string_view octets) {
    if (octets.empty()) return;
    ssize_t sent = ::send(one.fd.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(octets.size())) one.dead = true;
  }

  Setup setup_;
  Epoll epoll_;
  UniqueFd listener_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::uint64_t last_number_ = 0;
  std::uint64_t messages_ = 0;
  std::deque<Due> due_;
  std::vector<Connection*> resting_;
};

}  // namespace

}  // namespace postwain::bench

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  auto ask_stop = [](int) { postwain::bench::stop_asked = 1; };
  std::signal(SIGTERM, ask_stop);
  std::signal(SIGINT, ask_stop);
  postwain::bench::Options options(argc, argv, {"--delay-ms", "--rate"}, {"--terse"},
                                   postwain::bench::kUsage);
  postwain::bench::Filter(options).serve();
  return postwain::kExitOk;
}
