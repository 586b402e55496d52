// pw-sink: the next hop of the comparison. Takes SMTP or LMTP on TCP or Unix sockets in one event
// loop and counts. Whoever connects to the control address gets the counters as one JSON line.
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <unordered_map>

#include "bench/sink_session.h"
#include "common/base/sysexits.h"

namespace postwain::bench {

namespace {

const char* const kUsage =
    "usage: pw-sink [options] ADDRESS:PORT|unix:PATH\n"
    "  --control ADDRESS:PORT   each connection to it gets the counters as one JSON line\n"
    "  --lmtp                   LMTP: LHLO, one reply per recipient\n"
    "  --announce-chunking  --no-pipelining\n"
    "  --certificate FILE --key FILE   announce STARTTLS\n"
    "  --rcpt-reply TEXT  --rcpt-every N     answer every N-th RCPT with TEXT\n"
    "  --final-reply TEXT  --final-every N   answer every N-th message (LMTP: recipient) with TEXT";

volatile std::sig_atomic_t stop_asked = 0;

SinkSetup setup_of(const Options& options) {
  SinkSetup setup;
  setup.lmtp = options.has("--lmtp");
  setup.chunking = options.has("--announce-chunking");
  setup.pipelining = !options.has("--no-pipelining");
  if (options.has("--certificate")) {
    auto certificate = read_small_file(options.text("--certificate", ""));
    auto key = read_small_file(options.text("--key", ""));
    if (!certificate || !key) options.fail("the certificate or its key cannot be read");
    auto context = tls::Context::server(*certificate, *key);
    if (!context) options.fail(context.error().text);
    setup.tls = context.take();
  }
  setup.rcpt_reply = options.text("--rcpt-reply", "");
  setup.rcpt_every = std::max<std::uint64_t>(1, options.number("--rcpt-every", 1));
  setup.final_reply = options.text("--final-reply", "");
  setup.final_every = std::max<std::uint64_t>(1, options.number("--final-every", 1));
  return setup;
}

class Sink {
 public:
  explicit Sink(const Options& options) : setup_(setup_of(options)) {
    if (options.words().size() != 1) options.fail("one address to listen on is needed");
    const std::string& address = options.words()[0];
    if (address.starts_with("unix:")) unlink(address.substr(5).c_str());
    listener_ = listen_on(parse_endpoint(address));
    if (address.starts_with("unix:")) chmod(address.substr(5).c_str(), 0666);
    epoll_.add(listener_.get(), EPOLLIN, &listener_);
    if (options.has("--control")) {
      control_ = listen_on(parse_endpoint(options.text("--control", "")));
      epoll_.add(control_.get(), EPOLLIN, &control_);
    }
  }

  void serve() {
    std::vector<epoll_event> events(1024);
    while (stop_asked == 0) {
      int count = epoll_.wait(events, 1000);
      for (int i = 0; i < count; ++i) {
        auto& event = events[static_cast<std::size_t>(i)];
        if (event.data.ptr == &listener_) {
          accept_sessions();
        } else if (event.data.ptr == &control_) {
          answer_control();
        } else {
          on_session(static_cast<SinkSession*>(event.data.ptr), event.events);
        }
      }
    }
    fmt::print("{}", counts_.json());
  }

 private:
  void accept_sessions() {
    for (;;) {
      UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd) return;
      set_no_delay(fd.get());
      auto session = std::make_unique<SinkSession>(std::move(fd), setup_, counts_, epoll_);
      SinkSession* key = session.get();
      sessions_.emplace(key, std::move(session));
    }
  }

  void answer_control() {
    UniqueFd fd(accept4(control_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) return;
    auto written = write_all(fd.get(), counts_.json());
    if (!written) fmt::print(stderr, "control: {}\n", written.error().text);
  }

  void on_session(SinkSession* session, std::uint32_t events) {
    if (!session->on_event(events)) sessions_.erase(session);
  }

  SinkSetup setup_;
  SinkCounts counts_;
  Epoll epoll_;
  UniqueFd listener_;
  UniqueFd control_;
  std::unordered_map<SinkSession*, std::unique_ptr<SinkSession>> sessions_;
};

}  // namespace

}  // namespace postwain::bench

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  auto ask_stop = [](int) { postwain::bench::stop_asked = 1; };
  std::signal(SIGTERM, ask_stop);
  std::signal(SIGINT, ask_stop);
  postwain::bench::Options options(argc, argv,
                                   {"--control", "--certificate", "--key", "--rcpt-reply",
                                    "--rcpt-every", "--final-reply", "--final-every"},
                                   {"--lmtp", "--announce-chunking", "--no-pipelining"},
                                   postwain::bench::kUsage);
  postwain::bench::Sink(options).serve();
  return postwain::kExitOk;
}
