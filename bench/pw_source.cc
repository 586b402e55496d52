// pw-source: the load generator of the comparison. One event loop for all sessions, so that it
// costs a small part of any MTA it drives. Prints one JSON object when the run is over.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <deque>

#include "bench/source_session.h"
#include "common/base/sysexits.h"

namespace postwain::bench {

namespace {

constexpr int kTickMs = 20;  // pause before a broken connection is opened again
constexpr std::int64_t kSecond = 1000000000;

const char* const kUsage =
    "usage: pw-source [options] ADDRESS:PORT|unix:PATH\n"
    "  --sessions N         connections at the same time (20)\n"
    "  --messages N         end after N messages; or\n"
    "  --seconds S          begin no message after S seconds (5)\n"
    "  --size BYTES         of each message (4096)\n"
    "  --recipients N       of each message (1)\n"
    "  --per-connection M   messages before QUIT (0: no limit)\n"
    "  --from ADDRESS  --to DOMAIN  --domains N (d0.DOMAIN … in turn)  --lmtp  --tls\n"
    "  --patience S         give up S seconds after the end (60)";

std::uint64_t percentile_us(const std::vector<std::uint32_t>& sorted, double part) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))];
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::string replies_json(const Run& run) {
  std::string out;
  for (std::size_t stage = 0; stage < kStageNames.size(); ++stage) {
    std::string classes;
    for (std::size_t hundred = 1; hundred <= 5; ++hundred) {
      if (auto count = run.replies[stage][hundred]; count != 0) {
        classes += fmt::format("{}\"{}xx\":{}", classes.empty() ? "" : ",", hundred, count);
      }
    }
    out += fmt::format("{}\"{}\":{{{}}}", out.empty() ? "" : ",", kStageNames[stage], classes);
  }
  return out;
}

void print_result(Run& run) {
  std::sort(run.latency_us.begin(), run.latency_us.end());
  double seconds = static_cast<double>(run.last_accepted_ns - run.started_ns) / 1e9;
  double rate = run.accepted == 0 ? 0 : static_cast<double>(run.accepted) / seconds;
  fmt::print(
      "{{\"begun\":{},\"accepted\":{},\"accepted_per_second\":{:.1f},\"started_ns\":{},"
      "\"last_accepted_ns\":{},\"p50_ms\":{:.3f},\"p95_ms\":{:.3f},\"p99_ms\":{:.3f},"
      "\"connections\":{},\"connect_failed\":{},\"lost\":{},\"handshakes\":{},\"resumed\":{},\"cpu_"
      "seconds\":{:.3f},"
      "\"replies\":{{{}}}}}\n",
      run.taken, run.accepted, rate, run.started_ns, run.last_accepted_ns,
      static_cast<double>(percentile_us(run.latency_us, 0.50)) / 1000,
      static_cast<double>(percentile_us(run.latency_us, 0.95)) / 1000,
      static_cast<double>(percentile_us(run.latency_us, 0.99)) / 1000, run.connections,
      run.connect_failed, run.lost, run.handshakes, run.resumed, cpu_seconds(), replies_json(run));
}

Load load_of(const Options& options) {
  if (options.words().size() != 1) options.fail("one address to send to is needed");
  Load load;
  load.target = parse_endpoint(options.words()[0]);
  load.lmtp = options.has("--lmtp");
  load.from = options.text("--from", "sender@source.example");
  load.to_domain = options.text("--to", "sink.example");
  load.domains = std::max<std::uint64_t>(1, options.number("--domains", 1));
  load.recipients = std::max<std::uint64_t>(1, options.number("--recipients", 1));
  load.per_connection = options.number("--per-connection", 0);
  load.size = options.number("--size", 4096);
  if (options.has("--tls")) {
    auto context = tls::Context::client(tls::PeerProof::none);
    if (!context) options.fail(context.error().text);
    load.tls = context.take();
  }
  return load;
}

int run_source(const Options& options) {
  Load load = load_of(options);
  std::uint64_t messages = options.number("--messages", 0);
  auto seconds = static_cast<std::int64_t>(options.number("--seconds", 5));
  auto patience = static_cast<std::int64_t>(options.number("--patience", 60));
  std::int64_t start = now_ns();
  Run run(load, messages, start + seconds * kSecond);
  run.started_ns = start;

  Epoll epoll;
  std::deque<SourceSession> sessions;  // a deque, because epoll holds their addresses
  for (std::uint64_t i = options.number("--sessions", 20); i != 0; --i) {
    sessions.emplace_back(run, epoll).open();
  }
  std::vector<epoll_event> events(1024);
  std::int64_t next_tick = start;
  std::int64_t spent_ns = 0;
  for (;;) {
    int count = epoll.wait(events, kTickMs);
    for (int i = 0; i < count; ++i) {
      auto& event = events[static_cast<std::size_t>(i)];
      static_cast<SourceSession*>(event.data.ptr)->on_event(event.events);
    }
    std::int64_t now = now_ns();
    if (now < next_tick) continue;
    next_tick = now + kTickMs * 1000000LL;
    std::size_t done = 0;
    for (auto& session : sessions) {
      if (session.wants_open()) session.open();
      if (session.done()) ++done;
    }
    if (done == sessions.size()) break;
    if (spent_ns == 0 && run.spent()) spent_ns = now;
    if (spent_ns != 0 && now > spent_ns + patience * kSecond) break;
  }
  print_result(run);
  return run.accepted == run.taken ? kExitOk : kExitFailure;
}

}  // namespace

}  // namespace postwain::bench

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  postwain::bench::Options options(
      argc, argv,
      {"--sessions", "--messages", "--seconds", "--size", "--recipients", "--per-connection",
       "--from", "--to", "--domains", "--patience"},
      {"--lmtp", "--tls"}, postwain::bench::kUsage);
  return postwain::bench::run_source(options);
}
